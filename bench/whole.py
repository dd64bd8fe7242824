"""Figures of the gateway as a process: how late a value is readable, and how much memory it takes."""

import json
import statistics
import time
from collections.abc import Mapping
from typing import Final

import psycopg
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.figure import Experiment, Figure
from bench.floor import MILL, Floor, floor, newest_of
from fieldlab.readings.instant import SECOND, Instant
from tests.servers.child import wait_for
from tests.servers.engine import Engine

FOLLOWED: Final = 30.0
"""Seconds for which values are followed."""

OUTAGE: Final = 180.0
SETTLING: Final = 20.0
POLL: Final = 0.01
ASSETS: Final = 100
EACH: Final = 1_000
"""Streams of an asset, which publishes them in one message."""


def _latency(engine: Engine) -> Mapping[str, float]:
    """Follow a signal of a machine that publishes 2,000 samples a second, by asking for its newest value."""
    rate = round(2_000 / len(MILL.signals))
    with floor(engine) as lab:
        lab.declare()
        lab.gateway()
        client = lab.api()
        lab.mill(rate=rate, seconds=FOLLOWED + 60)
        wait_for(lambda: newest_of(client, "mill-1.axis_x") is not None, "the first value is readable")
        begin, step = time.time(), SECOND / rate
        known, delays = newest_of(client, "mill-1.axis_x") or Instant(0), list[float]()
        while time.time() < begin + FOLLOWED:
            found = newest_of(client, "mill-1.axis_x") or known
            now = time.time()
            for tick in range(1, round((found - known) / step) + 1):
                delays.append(now - (known + tick * step) / SECOND)
            known = found
            time.sleep(POLL)
    cuts = statistics.quantiles(delays, n=100)
    return {"ingest.latency_p50_seconds": cuts[49], "ingest.latency_p99_seconds": cuts[98]}


def _outage(engine: Engine) -> Mapping[str, float]:
    """Take the database away for three minutes while 10,000 samples a second come in; then let it catch up."""
    rate = round(10_000 / len(MILL.signals))
    with floor(engine) as lab:
        lab.declare()
        lab.gateway()
        lab.mill(rate=rate, seconds=SETTLING + OUTAGE)
        time.sleep(SETTLING)
        before = most = lab.resident()
        with lab.outage():
            end = time.monotonic() + OUTAGE
            while time.monotonic() < end:
                most = max(most, lab.resident())
                time.sleep(0.5)
            waiting = lab.health()["waiting"]
        assert waiting > 0.8 * rate * len(MILL.signals) * OUTAGE, f"only {waiting} samples came in"
        begin = time.monotonic()
        wait_for(lambda: lab.health()["waiting"] == 0, "the spool is written", seconds=300)
        return {
            "ingest.outage_rss_mb": most - before,
            "ingest.catch_up_rows_per_second": waiting / (time.monotonic() - begin),
        }


def _many_streams(engine: Engine) -> Mapping[str, float]:
    """Bind 100,000 streams, let each of them send three values, and see what memory the gateway takes."""
    with floor(engine) as lab:
        lab.declare()
        _bind_many(lab)
        lab.gateway()
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect(lab.broker.host, lab.broker.port)
        client.loop_start()
        for turn in range(3):
            for asset in range(ASSETS):
                values: dict[str, object] = {f"s{at}": turn + at / 10 for at in range(EACH)}
                values["time"] = str(Instant.now())
                client.publish(f"lab/many-{asset}/telemetry", json.dumps(values), qos=1).wait_for_publish(10)
        most = 0.0

        def stored() -> bool:
            nonlocal most
            most = max(most, lab.resident())
            return bool(lab.health()["stored"] >= 3 * ASSETS * EACH)

        wait_for(stored, "all values are stored", seconds=120)
        client.disconnect()
        client.loop_stop()
        return {"ingest.streams_100k_rss_mb": most}


def _bind_many(lab: Floor) -> None:
    with psycopg.connect(lab.database.admin) as connection:
        connection.execute("ALTER TABLE fieldlab.stream DISABLE TRIGGER open_timeline")
        connection.execute(
            "INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)"
            " SELECT 'many-' || n, 'Many', p.id, 'simulated'"
            " FROM fieldlab.participant AS p, generate_series(0, %s - 1) AS n",
            [ASSETS],
        )
        connection.execute(
            "INSERT INTO fieldlab.stream (asset_id, name, kind, unit) SELECT a.id, 's' || n, 'number', '1'"
            " FROM fieldlab.asset AS a, generate_series(0, %s - 1) AS n WHERE a.slug LIKE 'many-%%'",
            [EACH],
        )
        connection.execute(
            "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
            " SELECT o.id, 'lab/' || a.slug || '/telemetry#' || s.name, s.id"
            " FROM fieldlab.source AS o, fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id"
            " WHERE a.slug LIKE 'many-%'"
        )


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(name="ingest.latency_p50_seconds", meaning="published → readable by the query service, the median"),
            Figure(
                name="ingest.latency_p99_seconds",
                meaning="the same, of 99 in 100 values, at 2,000 samples a second",
                most=1.0,
            ),
        ),
        run=_latency,
    ),
    Experiment(
        figures=(
            Figure(
                name="ingest.outage_rss_mb",
                meaning="growth of the gateway in 3 minutes without database, at 10,000 samples a second",
                most=100.0,
            ),
            Figure(name="ingest.catch_up_rows_per_second", meaning="rows a second afterwards, until nothing waits"),
        ),
        run=_outage,
    ),
    Experiment(
        figures=(
            Figure(name="ingest.streams_100k_rss_mb", meaning="resident memory with 100,000 bound streams", most=400.0),
        ),
        run=_many_streams,
    ),
)
