"""How fast values come from an OPC UA server into the database, against the same subscription that discards them.

It is discarded twice: by the same connector, which reads values as columns, and by asyncua's own client, which makes an
object of each. Writing a value costs PostgreSQL several times what it costs the connector to read it, so that the first
ratio is bounded by the cores, and the second is not.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, LiteralString

import psycopg
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from bench.figure import Experiment, Figure
from bench.opcua_server import NAMESPACE, STEP
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector, Delivery
from fieldlab.readings.instant import Instant
from gateway.process import run
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine
from tests.servers.port import free_port

ITEMS: Final = 1_000
MANY: Final = 10_000
VALUES: Final = 200_000
"""Values of one timing, which the server has ready."""

ROUNDS: Final = 3
SETTLING: Final = 1.0
"""Seconds for which a gateway is left alone after it has connected."""

OPTIONS: Final = {"security": "none", "publishing_interval": 50, "keep_alive": 2_000}

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'Lab', 'operator');
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'machine', 'A machine', id, 'simulated' FROM fieldlab.participant;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT id, 'v' || n, 'number', '1' FROM fieldlab.asset, generate_series(0, %(items)s - 1) AS n;
    INSERT INTO fieldlab.source (slug, wire, url, options)
        VALUES ('bench', 'opcua', %(url)s, '{"security": "none", "publishing_interval": 50, "keep_alive": 2000}');
    INSERT INTO fieldlab.binding (source_id, address, stream_id)
        SELECT s.id, 'nsu=' || %(namespace)s || ';s=' || t.name, t.id FROM fieldlab.source AS s, fieldlab.stream AS t;
"""
_ARRIVED: Final[LiteralString] = "SELECT FROM fieldlab.measurement WHERE stream_id = %(stream)s AND time = %(last)s"
"""Whether the value that is sent last is there: a look at one key, since whoever waits must not be what is measured."""

_STREAM: Final[LiteralString] = "SELECT id FROM fieldlab.stream WHERE name = %(name)s"

_WHOLE: Final[LiteralString] = "SELECT count(*) FROM fieldlab.measurement WHERE time BETWEEN %(begin)s AND %(last)s"


@dataclass(frozen=True, kw_only=True)
class Load:
    """The server, and the way to tell it to send."""

    url: str
    orders: IO[str]

    def send(self, begin: Instant) -> Instant:
        """Have it send the values of one timing, from a moment on; gives their last time, which every stream has."""
        self.orders.write(f"{VALUES} {int(begin)}\n")
        self.orders.flush()
        return Instant(begin + (VALUES // ITEMS - 1) * STEP)


@contextmanager
def load(items: int) -> Iterator[Load]:
    """Run the server as a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "bench.opcua_server", str(port), str(items)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        if server.stdin is None or server.stdout is None or server.stdout.readline() != "ready\n":
            raise RuntimeError("the OPC UA server of the bench did not start")
        try:
            yield Load(url=f"opc.tcp://127.0.0.1:{port}", orders=server.stdin)
        finally:
            server.terminate()


class Discarding:
    """Takes every value as the gateway does, calls it safe, and does nothing else with it."""

    def __init__(self, expected: int) -> None:
        self.whole = asyncio.Event()
        self._left = expected

    async def __call__(self, delivery: Delivery) -> None:
        """Discard one delivery."""
        delivery.safe()
        self._left -= delivery.size
        if self._left <= 0:
            self.whole.set()

    async def expect(self, more: int) -> None:
        """Wait for what was expected, and expect more."""
        await self.whole.wait()
        self.whole.clear()
        self._left += more


def _connector(url: str, items: int) -> Connector:
    source = Source(id=1, slug="bench", wire=Wire.OPCUA, url=url, options=OPTIONS)
    connector = build(source, client_name="bench", environment={})
    connector.watch(f"nsu={NAMESPACE};s=v{number}" for number in range(items))
    return connector


async def _discard(server: Load, begin: Instant) -> float:
    """Take the values and discard them; gives the seconds."""
    sink = Discarding(ITEMS)
    running = asyncio.create_task(_connector(server.url, ITEMS).run(sink))
    await sink.expect(VALUES)
    begun = time.perf_counter()
    server.send(begin)
    await sink.whole.wait()
    seconds = time.perf_counter() - begun
    running.cancel()
    await asyncio.wait((running,))
    return seconds


async def _discard_by_asyncua(server: Load, begin: Instant) -> float:
    """Take the values with asyncua's own client and discard them, decoded; gives the seconds."""
    left, whole = ITEMS, asyncio.Event()

    def discard(result: ua.PublishResult) -> None:
        nonlocal left
        for part in result.NotificationMessage.NotificationData:
            left -= len(part.MonitoredItems)
        if left <= 0:
            whole.set()

    async with Client(server.url) as client:
        session, index = client.uaclient.session, await client.get_namespace_index(NAMESPACE)
        made = await session.create_subscription(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=50.0, RequestedLifetimeCount=10_000, RequestedMaxKeepAliveCount=40,
                MaxNotificationsPerPublish=10_000, PublishingEnabled=True,
            ),
            discard,
        )  # fmt: skip
        items = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(
                    NodeId=ua.NodeId(ua.String(f"v{number}"), ua.Int16(index)), AttributeId=AttributeIds.Value
                ),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(ClientHandle=number + 1, QueueSize=100),
            )
            for number in range(ITEMS)
        ]
        await session.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=made.SubscriptionId, TimestampsToReturn=ua.TimestampsToReturn.Both, ItemsToCreate=items
            )
        )
        await whole.wait()
        whole.clear()
        left += VALUES
        begun = time.perf_counter()
        server.send(begin)
        await whole.wait()
        return time.perf_counter() - begun


async def _end_to_end(server: Load, database: Database, directory: Path, begin: Instant) -> float:
    """Run a whole gateway until every value is committed; gives the seconds since they were to be had."""
    stop, connectors = asyncio.Event(), list[Connector]()

    def connect(source: Source, heard_until: Instant | None) -> Connector:
        connectors.append(build(source, client_name="bench", environment={}, heard_until=heard_until))
        return connectors[0]

    gateway = asyncio.create_task(
        run(database_url=database.gateway, directory=directory, stop=stop, port=0, connect=connect)
    )
    for _ in range(6_000):
        if connectors and connectors[0].connected:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(SETTLING)
    begun, last = time.perf_counter(), server.send(begin)
    async with await psycopg.AsyncConnection.connect(database.admin, autocommit=True) as connection:
        (stream,) = await (await connection.execute(_STREAM, {"name": f"v{ITEMS - 1}"})).fetchone() or (0,)
        asked = {"stream": stream, "last": last.datetime()}
        while await (await connection.execute(_ARRIVED, asked)).fetchone() is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - begun
        there = await (
            await connection.execute(_WHOLE, {"begin": begin.datetime(), "last": last.datetime()})
        ).fetchone()
        if there != (VALUES,):
            raise RuntimeError(f"of {VALUES} values {there} are stored")
    stop.set()
    await gateway
    return seconds


async def _subscribed(server: Load) -> float:
    """Subscribe to every node; gives the seconds until each of them has sent its value."""
    sink, begun = Discarding(MANY), time.perf_counter()
    running = asyncio.create_task(_connector(server.url, MANY).run(sink))
    await sink.whole.wait()
    seconds = time.perf_counter() - begun
    running.cancel()
    await asyncio.wait((running,))
    return seconds


def _opcua(engine: Engine) -> Mapping[str, float]:
    """Take values in turns: discarded, and into the database."""
    by_asyncua: list[float] = []
    discarded: list[float] = []
    stored: list[float] = []
    with (
        load(ITEMS) as server,
        template(engine) as migrated,
        clone(migrated) as database,
        tempfile.TemporaryDirectory() as directory,
    ):
        with psycopg.connect(database.admin) as connection:
            cursor = psycopg.ClientCursor(connection)
            cursor.execute(_LAB, {"items": ITEMS, "url": server.url, "namespace": NAMESPACE})
        start = Instant(Instant.now() - 2 * (ROUNDS + 1) * VALUES * STEP)
        for turn in range(ROUNDS + 1):
            begin = Instant(start + turn * VALUES * STEP)
            reference = asyncio.run(_discard_by_asyncua(server, begin))
            without = asyncio.run(_discard(server, begin))
            whole = asyncio.run(_end_to_end(server, database, Path(directory), begin))
            if turn:
                by_asyncua.append(reference)
                discarded.append(without)
                stored.append(whole)
    with load(MANY) as server:
        subscribed = asyncio.run(_subscribed(server))
    return {
        "ingest.opcua_vs_discard": statistics.median(discarded) / statistics.median(stored),
        "ingest.opcua_vs_asyncua_discard": statistics.median(by_asyncua) / statistics.median(stored),
        "ingest.opcua_discarded_per_second": VALUES / statistics.median(discarded),
        "ingest.opcua_values_per_second": VALUES / statistics.median(stored),
        "ingest.opcua_subscribed_10k_seconds": subscribed,
    }


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="ingest.opcua_vs_discard",
                meaning="OPC UA values a second into the database ÷ the same by the same connector, discarded",
                least=0.8,
            ),
            Figure(
                name="ingest.opcua_vs_asyncua_discard",
                meaning="the same ÷ the same subscription by asyncua's own client, discarded",
            ),
            Figure(
                name="ingest.opcua_discarded_per_second",
                meaning="OPC UA values a second, received, decoded and discarded",
            ),
            Figure(
                name="ingest.opcua_values_per_second",
                meaning="OPC UA values a second, from the server into the database",
            ),
            Figure(
                name="ingest.opcua_subscribed_10k_seconds",
                meaning="until each of 10,000 monitored items has sent its first value",
                most=20.0,
            ),
        ),
        run=_opcua,
    ),
)
