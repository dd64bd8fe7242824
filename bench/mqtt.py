"""How fast measurements come from an MQTT broker into the database, against the same client that discards them."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Final, LiteralString

import orjson
import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from bench.figure import Experiment, Figure
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector, Deliver, Delivery
from fieldlab.readings.instant import SECOND, Instant
from gateway.process import run
from tests.servers.broker import Broker
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine
from tests.servers.mosquitto import mosquitto

MESSAGES: Final = 60_000
"""Messages of one timing, all at the broker before it begins."""

MACHINES: Final = 50
VALUES: Final = ("current", "speed", "temperature", "power")
ROUNDS: Final = 3
NAME: Final = "bench"

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'Lab', 'operator');
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'machine-' || n, 'A machine', id, 'simulated' FROM fieldlab.participant,
               generate_series(0, %(machines)s - 1) AS n;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT id, value, 'number', '1' FROM fieldlab.asset, unnest(%(values)s::text[]) AS value;
    INSERT INTO fieldlab.source (slug, wire, url, options)
        VALUES ('bench', 'mqtt', %(url)s, '{"topics": ["lab/+/telemetry"]}');
    INSERT INTO fieldlab.binding (source_id, address, stream_id)
        SELECT s.id, 'lab/' || a.slug || '/telemetry#' || t.name, t.id
        FROM fieldlab.source AS s, fieldlab.asset AS a JOIN fieldlab.stream AS t ON t.asset_id = a.id;
"""
_LAST: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM fieldlab.measurement
                   WHERE stream_id = (SELECT max(stream_id) FROM fieldlab.binding) AND time = %(last)s)
"""
"""Whether one stream has its last sample: it is asked often, so it costs next to nothing."""

_ALL: Final[LiteralString] = """
    SELECT count(*) = %(streams)s
    FROM fieldlab.stream AS s JOIN fieldlab.measurement AS m ON m.stream_id = s.id AND m.time = %(last)s
"""
"""Whether every stream has its last sample."""


class Clocked:
    """A connector that tells when it handed over its first messages."""

    def __init__(self, connector: Connector) -> None:
        self.begun = 0.0
        self._connector = connector

    @property
    def connected(self) -> bool:
        """Tell whether the source would hand over what it measures."""
        return self._connector.connected

    def watch(self, addresses: Iterable[str]) -> None:
        """Tell which addresses are bound."""
        self._connector.watch(addresses)

    async def run(self, deliver: Deliver) -> None:
        """Hand over deliveries until cancelled."""

        async def clocked(delivery: Delivery) -> None:
            if delivery.samples.addresses:
                self.begun = self.begun or time.perf_counter()
            await deliver(delivery)

        await self._connector.run(clocked)


class Discarding:
    """Receives and decodes every message as the gateway does, calls it safe, and does nothing else with it."""

    def __init__(self, source: Source) -> None:
        self.client = build(source, client_name=NAME, environment={})
        self.done = asyncio.Event()
        self.begun = 0.0
        self._received = 0

    async def deliver(self, delivery: Delivery) -> None:
        """Discard one delivery."""
        self.begun = self.begun or time.perf_counter()
        delivery.safe()
        self._received += len(delivery.samples)
        if self._received >= MESSAGES * len(VALUES):
            self.done.set()


class Floor:
    """Machines that publish four values a message; each call gives the next messages, at later times."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._turns = count()
        self._begin = Instant(Instant.now() - 1_000_000 * SECOND)

    def publish(self) -> Instant:
        """Leave the messages of one timing at the broker; gives the last time in them, which every stream has."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.max_inflight_messages_set(1_000)
        client.connect(self._broker.host, self._broker.port)
        client.loop_start()
        first = next(self._turns) * MESSAGES // MACHINES
        at = self._begin
        for step in range(first, first + MESSAGES // MACHINES):
            at = Instant(self._begin + step * SECOND)
            for machine in range(MACHINES):
                values = dict.fromkeys(VALUES, step + machine / 64)
                message = client.publish(
                    f"lab/machine-{machine}/telemetry", orjson.dumps({"time": str(at), **values}), qos=1
                )
        message.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        return at


async def _discard(source: Source) -> float:
    """Receive the messages and discard them; gives the seconds."""
    sink = Discarding(source)
    running = asyncio.create_task(sink.client.run(sink.deliver))
    await sink.done.wait()
    seconds = time.perf_counter() - sink.begun
    running.cancel()
    await asyncio.wait((running,))
    return seconds


async def _open_session(source: Source) -> None:
    """Have the broker begin to keep messages for the client."""
    sink = Discarding(source)
    running = asyncio.create_task(sink.client.run(sink.deliver))
    for _ in range(1_000):
        if sink.client.connected:
            break
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait((running,))


async def _end_to_end(database: Database, directory: Path, last: Instant) -> float:
    """Run a whole gateway until every message is committed; gives the seconds since the first was handed over."""
    stop, clocks = asyncio.Event(), list[Clocked]()

    def connect(source: Source, heard_until: Instant | None) -> Connector:
        clocks.append(Clocked(build(source, client_name=NAME, environment={}, heard_until=heard_until)))
        return clocks[0]

    gateway = asyncio.create_task(
        run(database_url=database.gateway, directory=directory, stop=stop, port=0, connect=connect)
    )
    async with await psycopg.AsyncConnection.connect(database.admin, autocommit=True) as connection:
        asked = {"last": last.datetime(), "streams": MACHINES * len(VALUES)}
        for statement in (_LAST, _ALL):
            while True:
                if await (await connection.execute(statement, asked)).fetchone() == (True,):
                    break
                await asyncio.sleep(0.01)
    seconds = time.perf_counter() - clocks[0].begun
    stop.set()
    await gateway
    return seconds


def _mqtt(engine: Engine) -> Mapping[str, float]:
    """Take messages in turns: discarded, and into the database."""
    discarded: list[float] = []
    stored: list[float] = []
    with (
        mosquitto(persistent=False) as broker,
        template(engine) as migrated,
        clone(migrated) as database,
        tempfile.TemporaryDirectory() as directory,
    ):
        url = f"mqtt://{broker.host}:{broker.port}"
        with psycopg.connect(database.admin) as connection:
            cursor = psycopg.ClientCursor(connection)
            cursor.execute(_LAB, {"machines": MACHINES, "values": list(VALUES), "url": url})
        source = Source(id=1, slug="bench", wire=Wire.MQTT, url=url, options={"topics": ["lab/+/telemetry"]})
        asyncio.run(_open_session(source))
        floor = Floor(broker)
        for turn in range(ROUNDS + 1):
            floor.publish()
            without = asyncio.run(_discard(source))
            last = floor.publish()
            whole = asyncio.run(_end_to_end(database, Path(directory), last))
            if turn:
                discarded.append(without)
                stored.append(whole)
    return {
        "ingest.mqtt_vs_discard": statistics.median(discarded) / statistics.median(stored),
        "ingest.mqtt_discarded_per_second": MESSAGES / statistics.median(discarded),
        "ingest.mqtt_messages_per_second": MESSAGES / statistics.median(stored),
    }


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="ingest.mqtt_vs_discard",
                meaning="MQTT messages of four values, QoS 1, a second into the database ÷ decoded and discarded",
                least=0.7,
            ),
            Figure(
                name="ingest.mqtt_discarded_per_second",
                meaning="MQTT messages of four values a second, QoS 1, received, decoded and discarded",
            ),
            Figure(
                name="ingest.mqtt_messages_per_second",
                meaning="MQTT messages of four values a second, QoS 1, from the broker into the database",
            ),
        ),
        run=_mqtt,
    ),
)
