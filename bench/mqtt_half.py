"""One half of the MQTT figures, as a process of its own: what waits at the broker is discarded, or stored.

Both halves are the same process up to what happens with a delivery: the same connector, on the same event loop. It
prints what it took as JSON, between the first message that was handed over and the moment when all were acknowledged
and, where they are stored, committed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, LiteralString

import psycopg

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector, Deliver, Delivery
from fieldlab.readings.instant import Instant
from gateway.interpreter import tune
from gateway.process import run

NAME: Final = "bench"
"""The gateway's name, by which the broker keeps its messages."""

TOPICS: Final = "lab/+/telemetry"

_LAST: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM fieldlab.measurement
                   WHERE stream_id = (SELECT max(stream_id) FROM fieldlab.binding) AND time = %(last)s)
"""
"""Whether one stream has its last sample: it is asked often, so it costs next to nothing."""

_ALL: Final[LiteralString] = """
    SELECT count(*) = (SELECT count(*) FROM fieldlab.binding)
    FROM fieldlab.binding AS b JOIN fieldlab.measurement AS m ON m.stream_id = b.stream_id AND m.time = %(last)s
"""
"""Whether every stream has its last sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What one half took: seconds on the clock, and seconds of processor time of its own process."""

    seconds: float
    processor: float


class Watched:
    """A connector whose deliveries are counted; `begun` and `safe` tell when the first came and the last was safe."""

    def __init__(self, connector: Connector, expected: int) -> None:
        self.begun = asyncio.Event()
        self.safe = asyncio.Event()
        self._connector = connector
        self._left = expected
        self._since = (0.0, 0.0)

    @property
    def connected(self) -> bool:
        """Tell whether the source would hand over what it measures."""
        return self._connector.connected

    @property
    def taken(self) -> Taken:
        """Give what was taken since the first delivery."""
        seconds, processor = self._since
        return Taken(seconds=time.perf_counter() - seconds, processor=time.process_time() - processor)

    def watch(self, addresses: Iterable[str]) -> None:
        """Tell which addresses are bound."""
        self._connector.watch(addresses)

    async def run(self, deliver: Deliver) -> None:
        """Hand over deliveries until cancelled."""

        async def counted(delivery: Delivery) -> None:
            if not self.begun.is_set():
                self._since = (time.perf_counter(), time.process_time())
                self.begun.set()
            safe = partial(self._is_safe, len(delivery.samples), delivery)
            await deliver(
                Delivery(samples=delivery.samples, gaps=delivery.gaps, heard_until=delivery.heard_until, safe=safe)
            )

        await self._connector.run(counted)

    def _is_safe(self, samples: int, delivery: Delivery) -> None:
        delivery.safe()
        self._left -= samples
        if self._left <= 0:
            self.safe.set()


async def discard(url: str, expected: int) -> Taken:
    """Receive so many samples as the gateway does, call them safe, and do nothing else with them."""
    watched = Watched(_connector(_source(url)), expected)

    async def thrown_away(delivery: Delivery) -> None:
        delivery.safe()

    running = asyncio.create_task(watched.run(thrown_away))
    await watched.safe.wait()
    taken = watched.taken
    running.cancel()
    await asyncio.wait((running,))
    return taken


async def store(url: str, expected: int, *, directory: Path, gateway: str, admin: str, last: Instant) -> Taken:
    """Run a whole gateway until so many samples are committed, of which `last` is every stream's newest."""
    stop, watched = asyncio.Event(), Watched(_connector(_source(url)), expected)
    running = asyncio.create_task(
        run(database_url=gateway, directory=directory, stop=stop, port=0, connect=lambda _source, _heard: watched)
    )
    async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
        await watched.safe.wait()
        for statement in (_LAST, _ALL):
            while not await _is_true(connection, statement, last):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        taken = watched.taken
    stop.set()
    await running
    return taken


async def _is_true(connection: psycopg.AsyncConnection, statement: LiteralString, last: Instant) -> bool:
    return await (await connection.execute(statement, {"last": last.datetime()})).fetchone() == (True,)


async def subscribe(url: str) -> Taken:
    """Have the broker begin to keep messages for the gateway."""
    connector = _connector(_source(url))

    async def refuse(delivery: Delivery) -> None:
        raise RuntimeError(f"{len(delivery.samples)} samples came before any was published")

    running = asyncio.create_task(connector.run(refuse))
    while not connector.connected:  # noqa: ASYNC110 - a connector is asked, and tells nobody
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait((running,))
    return Taken(seconds=0.0, processor=0.0)


def _source(url: str) -> Source:
    return Source(id=1, slug=NAME, wire=Wire.MQTT, url=url, options={"topics": [TOPICS]})


def _connector(source: Source) -> Connector:
    return build(source, client_name=NAME, environment={})


def main(words: list[str]) -> None:
    """Run one half and print what it took."""
    asked = argparse.ArgumentParser(prog="python -m bench.mqtt_half", description=__doc__)
    asked.add_argument("half", choices=["subscribe", "discard", "store"])
    asked.add_argument("url")
    asked.add_argument("--samples", type=int, default=0)
    asked.add_argument("--directory", type=Path, default=Path())
    asked.add_argument("--gateway", default="")
    asked.add_argument("--admin", default="")
    asked.add_argument("--last", type=int, default=0)
    given = asked.parse_args(words)
    tune()
    if given.half == "store":
        half = store(
            given.url, given.samples, directory=given.directory, gateway=given.gateway, admin=given.admin,
            last=Instant(given.last),
        )  # fmt: skip
    elif given.half == "discard":
        half = discard(given.url, given.samples)
    else:
        half = subscribe(given.url)
    print(json.dumps(asdict(asyncio.run(half))))


if __name__ == "__main__":
    main(sys.argv[1:])
