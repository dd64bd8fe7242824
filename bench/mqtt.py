"""How fast measurements come from an MQTT broker into the database, against the same client that discards them."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final, LiteralString

import orjson
import psycopg

from bench.blast import blast
from bench.figure import Experiment, Figure
from bench.mqtt_half import NAME, Taken
from fieldlab.readings.instant import SECOND, Instant
from tests.servers.broker import Broker
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine
from tests.servers.mosquitto import mosquitto

MESSAGES: Final = 300_000
"""Messages of one timing, all at the broker before it begins: enough that its beginning and end count little."""

MACHINES: Final = 50
VALUES: Final = ("current", "speed", "temperature", "power")
ROUNDS: Final = 7
PATIENCE: Final = 300.0

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'Lab', 'operator');
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'machine-' || n, 'A machine', id, 'simulated' FROM fieldlab.participant,
               generate_series(0, %(machines)s - 1) AS n;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT id, value, 'number', '1' FROM fieldlab.asset, unnest(%(values)s::text[]) AS value;
    INSERT INTO fieldlab.source (slug, wire, url, options)
        VALUES (%(name)s, 'mqtt', %(url)s, '{"topics": ["lab/+/telemetry"]}');
    INSERT INTO fieldlab.binding (source_id, address, stream_id)
        SELECT s.id, 'lab/' || a.slug || '/telemetry#' || t.name, t.id
        FROM fieldlab.source AS s, fieldlab.asset AS a JOIN fieldlab.stream AS t ON t.asset_id = a.id;
"""


@dataclass(kw_only=True, slots=True)
class Floor:
    """Machines that publish four values a message; each call leaves the next messages, at later times."""

    broker: Broker
    database: Database
    directory: str
    begin: Instant = field(default_factory=lambda: Instant(Instant.now() - 1_000_000 * SECOND))
    turns: Iterator[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        """Give the broker's address."""
        return f"mqtt://{self.broker.host}:{self.broker.port}"

    def publish(self) -> Instant:
        """Leave the messages of one timing at the broker; gives the last time in them, which every stream has."""
        first = next(self.turns) * MESSAGES // MACHINES
        last = first + MESSAGES // MACHINES - 1
        blast(self.broker.host, self.broker.port, self._messages(range(first, last + 1)))
        return Instant(self.begin + last * SECOND)

    def discard(self) -> Taken:
        """Take messages and discard them."""
        self.publish()
        return self.half("discard")

    def store(self) -> Taken:
        """Take messages into the database."""
        last = self.publish()
        return self.half(
            "store", "--last", str(int(last)), "--directory", self.directory,
            "--gateway", self.database.gateway, "--admin", self.database.admin,
        )  # fmt: skip

    def half(self, *words: str) -> Taken:
        """Run one half in a process of its own."""
        command = [sys.executable, "-m", "bench.mqtt_half", words[0], self.url, *words[1:]]
        command += ["--samples", str(MESSAGES * len(VALUES))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return Taken(**json.loads(done.stdout))

    def _messages(self, steps: range) -> Iterator[tuple[str, bytes]]:
        for step in steps:
            time = str(Instant(self.begin + step * SECOND))
            for machine in range(MACHINES):
                values = dict.fromkeys(VALUES, step + machine / 64)
                yield f"lab/machine-{machine}/telemetry", orjson.dumps({"time": time, **values})


def _mqtt(engine: Engine) -> Mapping[str, float]:
    """Take messages in turns: discarded, and into the database; a ratio for each turn, and the median of all."""
    turns: list[tuple[Taken, Taken]] = []
    with (
        mosquitto(persistent=False) as broker,
        template(engine) as migrated,
        clone(migrated) as database,
        tempfile.TemporaryDirectory() as directory,
    ):
        floor = Floor(broker=broker, database=database, directory=directory)
        with psycopg.connect(database.admin) as connection:
            psycopg.ClientCursor(connection).execute(
                _LAB, {"machines": MACHINES, "values": list(VALUES), "name": NAME, "url": floor.url}
            )
        floor.half("subscribe")
        for turn in range(ROUNDS + 1):
            both = floor.discard(), floor.store()
            if turn:
                turns.append(both)
    return {
        "ingest.mqtt_vs_discard": statistics.median(a.seconds / b.seconds for a, b in turns),
        "ingest.mqtt_cpu_vs_discard": statistics.median(a.processor / b.processor for a, b in turns),
        "ingest.mqtt_cpu_microseconds": statistics.median(b.processor for _, b in turns) / MESSAGES * 1e6,
        "ingest.mqtt_discarded_per_second": MESSAGES / statistics.median(a.seconds for a, _ in turns),
        "ingest.mqtt_messages_per_second": MESSAGES / statistics.median(b.seconds for _, b in turns),
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
                name="ingest.mqtt_cpu_vs_discard",
                meaning="the same of the gateway's processor time: to discard a message ÷ to store it",
            ),
            Figure(
                name="ingest.mqtt_cpu_microseconds",
                meaning="processor time of the gateway for an MQTT message of four values, from broker to commit",
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
