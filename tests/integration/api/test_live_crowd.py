"""A thousand who follow data at once on one process: each gets everything once, and what they share is done once."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from fieldlab.readings.instant import SECOND, Instant
from tests.integration.api.lab import CURRENT, SPEED, Floor, Row, floor
from tests.integration.api.listening import arrive, served
from tests.servers.crowd import Crowd, Over, room_for
from tests.servers.database import Database
from tests.servers.engine import EngineName

pytestmark = pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True)

READERS = 1_000
KEYS = 20
DAY = Instant.parse("2026-11-22T00:00:00Z")


@pytest.fixture
async def open_lab(database: Database) -> AsyncIterator[Floor]:
    """A lab that counts nobody's requests."""
    async with floor(database, api_requests_per_minute=0) as running:
        yield running


async def until(true: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(120):
        while not true():  # noqa: ASYNC110 - readers count, and tell nobody
            await asyncio.sleep(0.05)
    assert true(), what


async def test_a_thousand_readers_each_get_every_sample_once(open_lab: Floor) -> None:
    lab, hub = open_lab, open_lab.app.state.desk.hub
    room_for(2 * READERS)
    keys = [lab.issue("lab") for _ in range(KEYS)]
    asked = [
        (keys[number % KEYS], f"stream={CURRENT}&stream={SPEED}", list(Over)[number // KEYS % 2])
        for number in range(READERS)
    ]
    async with served(lab) as answering:
        crowd = Crowd(answering.url)
        try:
            await crowd.gather(asked)
            assert len(hub._audiences) == 1, "one participant's readers of the same streams are written to once"
            for batch in range(3):
                some = [Row(time=Instant(DAY + (batch * 10 + at) * SECOND), value=float(at)) for at in range(10)]
                await arrive(lab, CURRENT, some)
                await arrive(lab, SPEED, some)
            await until(lambda: len(crowd.samples) == 60 and not crowd.behind, "all have everything once")
            await _void(lab, keys[0])
            await until(lambda: sum(reader.ended is not None for reader in crowd.readers) == READERS // KEYS, "ended")
            assert {(one.token, one.ended) for one in crowd.readers if one.ended} == {(keys[0], "credential.void")}
            await arrive(lab, CURRENT, [Row(time=Instant(DAY + 60 * SECOND), value=60.0)])
            await until(lambda: crowd.behind == READERS // KEYS, "the others go on")
            assert {one.got for one in crowd.readers if one.token != keys[0]} == {61}
        finally:
            crowd.close()


async def _void(lab: Floor, token: str) -> None:
    async with lab.client(token) as client:
        key = (await client.get("/v1/me")).json()["key"]
    await asyncio.to_thread(lab.execute, "UPDATE fieldlab.credential SET revoked_at = now() WHERE id = %s", [key])
