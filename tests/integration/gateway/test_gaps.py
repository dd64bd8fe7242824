"""What the gateway promises of gaps: each that a source told stands in the table, whatever happens on the way."""

import asyncio
from pathlib import Path

import psycopg

from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from gateway.limits import Limits
from tests.integration.gateway.test_gateway import away
from tests.integration.gateway.wire import START, declare, gateway, samples
from tests.servers.database import Database

GAP = Gap(start=START, until=Instant(START + 9 * SECOND), cause=Cause.SUBSCRIPTION_LOST)


def gaps(database: Database) -> list[tuple[int, str]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute("SELECT stream_id, cause FROM fieldlab.gap ORDER BY stream_id").fetchall()


async def test_a_gap_that_waits_in_the_spool_is_written_once_it_is_known_which_streams_it_concerns(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path):
        pass
    with away(database):
        async with gateway(database.gateway, tmp_path, limits=Limits(drain=0.1)) as running:
            running.wires["mqtt"].hand_over(Delivery(samples=samples(1.0), gaps=(GAP,)))
            await running.settled(waiting=1)
    with psycopg.connect(database.admin) as blocker:
        blocker.execute("LOCK fieldlab.binding IN ACCESS EXCLUSIVE MODE")

        async def release() -> None:
            await asyncio.sleep(2)
            blocker.rollback()

        releasing = asyncio.create_task(release())
        async with gateway(database.gateway, tmp_path) as running:
            assert releasing.done()
            await running.settled()
    assert gaps(database) == [(stream, "subscription_lost") for stream in sorted(streams.values())]


async def test_a_later_process_learns_until_when_its_source_was_heard_and_not_when_that_was_safe(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    heard = Instant(Instant.now() - 60 * SECOND)
    async with gateway(database.gateway, tmp_path) as running:
        assert running.wires["mqtt"].heard_until is None
        running.wires["mqtt"].hand_over(Delivery(samples=samples(1.0), heard_until=heard))
        running.wires["mqtt"].hand_over(Delivery(samples=samples(2.0, start=START + SECOND)))
        running.wires["mqtt"].hand_over(Delivery(samples=Samples(), gaps=(GAP,)))
        await running.settled()
    async with gateway(database.gateway, tmp_path) as running:
        assert running.wires["mqtt"].heard_until == heard
