"""A gateway that is killed while it mends leaves nothing behind: the next one takes up the gaps that are open."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asyncua import ua

from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Origin
from tests.contract.connectors.opcua_server import Machine
from tests.servers.child import Child, start
from tests.servers.database import Database

BEGAN = Instant(Instant.now() // SECOND * SECOND - 60 * SECOND)
MEASURED = 2_000
PAGE = 100
"""Values of a page of this server's history."""


class Hesitant(Machine):
    """A machine whose history comes in small pages, and stops after `pages` of them until it may go on."""

    pages = 3

    def __init__(self) -> None:
        super().__init__({"current": ua.Variant(0.0)}, remembers=True)
        self.goes_on = asyncio.Event()

    async def prepare(self) -> None:
        await super().prepare()
        history = self.server.iserver.history_manager
        read = history.read_history

        async def hesitate(asked: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
            if self.pages == 0:
                await self.goes_on.wait()
            self.pages -= 1
            asked.HistoryReadDetails.NumValuesPerNode = ua.UInt32(PAGE)
            results: list[ua.HistoryReadResult] = await read(asked)
            return results

        vars(history)["read_history"] = hesitate


@pytest.fixture
async def machine() -> AsyncIterator[Hesitant]:
    machine = Hesitant()
    await machine.start()
    machine.past["current"].clear()
    await machine.write("current", ua.Variant(1.0), at=moment(1))
    yield machine
    machine.goes_on.set()
    await machine.stop()


def moment(value: float) -> Instant:
    return Instant(BEGAN + int(value) * SECOND // 100)


def ask(database: Database, statement: str, *given: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute(statement.encode(), given).fetchall()


def declare(database: Database, machine: Machine) -> None:
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'The Lab', 'operator');"
            "INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)"
            " SELECT 'mill-1', 'Mill', id, 'real' FROM fieldlab.participant;"
            "INSERT INTO fieldlab.stream (asset_id, name, kind, unit)"
            " SELECT id, 'current', 'number', 'A' FROM fieldlab.asset"
        )
        connection.execute(
            "INSERT INTO fieldlab.source (slug, wire, url, options) VALUES ('mill', 'opcua', %s,"
            """ '{"security": "none", "publishing_interval": 50, "keep_alive": 500}')""",
            [machine.url],
        )
        connection.execute(
            "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
            " SELECT q.id, %s, s.id FROM fieldlab.source AS q, fieldlab.stream AS s",
            [machine.address("current")],
        )


@contextmanager
def gateway(database: Database, place: Path) -> Iterator[Child]:
    """Run a gateway as a process of its own."""
    url = f"FIELDLAB_GATEWAY_DATABASE_URL={database.gateway}"
    command = ["env", url, sys.executable, "-m", "cli", "gateway", "--port", "0", "--directory", str(place / "spool")]
    process = start("gateway", command, log=place / "gateway.log")
    try:
        yield process
    finally:
        process.stop()


async def reach(database: Database, statement: str, expected: object, process: Child) -> None:
    """Wait until a question to the database has this answer."""
    found = None
    for _ in range(1_200):
        ((found,),) = await asyncio.to_thread(ask, database, statement)
        if found == expected:
            return
        assert process.running, process.tail()
        await asyncio.sleep(0.1)
    raise AssertionError(f"{statement}: {found}, not {expected}\n{process.tail()}")


STORED = "SELECT count(*) FROM fieldlab.measurement"
FETCHED = f"SELECT count(*) >= {PAGE} FROM fieldlab.measurement WHERE origin & 15 = {Origin.HISTORY.value}"
OPEN = "SELECT count(*) FROM fieldlab.gap WHERE recovered IS NULL"


@pytest.mark.parametrize("engine_server", ["plain"], indirect=True)
async def test_a_gap_whose_mending_was_cut_by_a_kill_is_mended_by_the_next_process(
    database: Database, tmp_path: Path, machine: Hesitant
) -> None:
    declare(database, machine)
    with gateway(database, tmp_path) as process:
        await reach(database, f"{STORED} WHERE value = 1", 1, process)
        for value in range(2, 10):
            await machine.write("current", ua.Variant(float(value)), at=moment(value))
        await reach(database, f"{STORED} WHERE value = 9", 1, process)
        await machine.stop()
        for value in range(10, MEASURED):
            machine.measured("current", ua.Variant(float(value)), at=moment(value))
        await machine.start()
        await reach(database, FETCHED, expected=True, process=process)
        await reach(database, OPEN, 1, process)
        process.kill()
    ((fetched,),) = ask(database, f"{STORED} WHERE origin & 15 = {Origin.HISTORY.value}")
    assert fetched < MEASURED - 10, "it was killed in the midst of it"
    machine.goes_on.set()
    with gateway(database, tmp_path) as process:
        await reach(database, OPEN, 0, process)
    values = ask(database, "SELECT value, count(*) FROM fieldlab.measurement GROUP BY value")
    assert {value for value, _ in values} == {float(value) for value in range(1, MEASURED)}
    assert {many for _, many in values} == {1}
    ((recovered,),) = ask(database, "SELECT max(recovered) FROM fieldlab.gap")
    assert recovered == MEASURED - 11, "all but the newest, which came by itself"
    assert ask(database, "SELECT count(*) FROM fieldlab.reject") == [(0,)]
