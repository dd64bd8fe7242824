"""A connector without a wire, the lab that it feeds, and a gateway that runs it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg

from fieldlab.assets.source import Source
from fieldlab.ports import Deliver, Delivery
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.readings.samples import Samples
from gateway.limits import Limits
from gateway.process import run
from tests.servers.database import Database

START = Instant(Instant.now() - 60 * MINUTE)
"""An hour before the tests began."""


@dataclass
class FakeConnector:
    """Hands over what a test gives it; remembers what became safe, in order."""

    source: Source
    heard_until: Instant | None = None
    watched: set[str] = field(default_factory=set)
    handed: int = 0
    safe: list[int] = field(default_factory=list)
    queue: "asyncio.Queue[Delivery]" = field(default_factory=asyncio.Queue)
    cancelled: bool = False
    connected: bool = True

    async def run(self, deliver: Deliver) -> None:
        self.connected = True
        try:
            while True:
                await deliver(await self.queue.get())
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def watch(self, addresses: Iterable[str]) -> None:
        self.watched = set(addresses)

    def hand_over(self, delivery: Delivery | Samples) -> int:
        number, self.handed = self.handed, self.handed + 1
        given = delivery
        if isinstance(given, Samples):
            given = Delivery(samples=given, heard_until=Instant.now())
        self.queue.put_nowait(replace(given, safe=lambda: self.safe.append(number)))
        return number


@dataclass
class Wires:
    """The connectors that a gateway built, by source; `refuse` are the sources whose configuration is wrong."""

    built: dict[str, list[FakeConnector]] = field(default_factory=dict)
    refuse: dict[str, Exception] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def connect(self, source: Source, heard_until: Instant | None) -> FakeConnector:
        if source.slug in self.refuse:
            self.refused[source.slug] += 1
            raise self.refuse[source.slug]
        connector = FakeConnector(source=source, heard_until=heard_until)
        self.built.setdefault(source.slug, []).append(connector)
        return connector

    def __getitem__(self, slug: str) -> FakeConnector:
        return self.built[slug][-1]


@dataclass
class Running:
    """A gateway that runs."""

    wires: Wires
    url: str = ""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    async def health(self) -> tuple[int, dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/healthz")
        return answer.status_code, answer.json()

    async def metrics(self) -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def settled(self, slug: str = "mqtt", *, waiting: int = 0) -> dict[str, Any]:
        """Wait until all that a source handed over is safe and only so many samples wait; give the gateway's health."""
        await until(lambda: len(self.wires[slug].safe) == self.wires[slug].handed)
        _, health = await self.shows(lambda health: health["waiting"] == waiting)
        return health

    async def shows(self, true: Callable[[dict[str, Any]], bool]) -> tuple[int, dict[str, Any]]:
        """Wait until the gateway's health is as it should be; give its status too."""
        for _ in range(6_000):
            status, health = await self.health()
            if true(health):
                return status, health
            await asyncio.sleep(0.01)
        raise AssertionError(health)


@asynccontextmanager
async def gateway(
    url: str, directory: Path, *, wires: Wires | None = None, limits: Limits | None = None, port: int = 0
) -> AsyncIterator[Running]:
    """Run a gateway for as long as the context lasts, and stop it cleanly."""
    running = Running(wires=wires or Wires())
    ready = asyncio.Event()

    def tell(url: str) -> None:
        running.url = url
        ready.set()

    running.task = asyncio.create_task(
        run(
            database_url=url,
            directory=directory,
            stop=running.stop,
            port=port,
            connect=running.wires.connect,
            ready=tell,
            limits=limits or Limits(),
        )
    )
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({waiting, running.task}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        waiting.cancel()
        if running.task.done():
            running.task.result()
        yield running
    finally:
        running.stop.set()
        await asyncio.wait_for(running.task, 60)


async def until(true: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait until something has become true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.01)


def declare(database: Database, *, nature: str = "real") -> dict[str, int]:
    """Declare a mill with three streams, of which the source `mqtt` feeds each at an address of the same name."""
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'Lab', 'operator')")
        connection.execute(
            "INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature) SELECT 'mill', 'Mill', id, %s"
            " FROM fieldlab.participant",
            [nature],
        )
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('mqtt', 'mqtt', 'mqtt://nowhere')")
        streams: dict[str, int] = dict(
            connection.execute(
                "INSERT INTO fieldlab.stream (asset_id, name, kind, unit)"
                " SELECT id, kind, kind, '1' FROM fieldlab.asset, unnest(ARRAY['number', 'boolean', 'text']) AS kind"
                " RETURNING name, id"
            ).fetchall()
        )
        connection.execute(
            "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
            " SELECT source.id, stream.name, stream.id FROM fieldlab.source, fieldlab.stream"
        )
    return streams


def samples(
    *values: float | str | None, address: str = "number", start: int = START, step: int = SECOND, origin: int = 0
) -> Samples:
    """One sample a step at one address."""
    count = len(values)
    return Samples(
        addresses=[address] * count,
        times=[start + at * step for at in range(count)],
        values=[None if isinstance(value, str) else value for value in values],
        texts=[value if isinstance(value, str) else None for value in values],
        statuses=[0] * count,
        origins=[origin] * count,
    )


def stored(database: Database) -> list[tuple[Any, ...]]:
    """Give what is stored: stream, seconds from the start, value, text, status, origin."""
    with psycopg.connect(database.admin) as connection:
        return connection.execute(
            "SELECT stream_id, round(extract(epoch FROM time) - %s)::integer, value, text, status, origin"
            " FROM fieldlab.measurement ORDER BY stream_id, time",
            [START / SECOND],
        ).fetchall()


def rejected(database: Database) -> list[tuple[Any, ...]]:
    """Give the rejects in order: reason, detail, raw, address, number of samples."""
    with psycopg.connect(database.admin) as connection:
        return connection.execute(
            "SELECT reason, detail, raw, address, samples FROM fieldlab.reject ORDER BY id"
        ).fetchall()


def accounts(database: Database) -> list[tuple[Any, ...]]:
    """Give the accounts by stream (0 for none): received, stored, duplicates, rejected."""
    with psycopg.connect(database.admin) as connection:
        connection.execute("SELECT fieldlab.fold_accounts()")
        return connection.execute(
            "SELECT stream_id, sum(received)::integer, sum(stored)::integer, sum(duplicates)::integer,"
            " sum(rejected)::integer FROM fieldlab.account GROUP BY 1 ORDER BY 1"
        ).fetchall()
