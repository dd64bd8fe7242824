"""How soon whoever follows data gets it: the query service as a process, a crowd of readers over HTTP."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from bench.figure import Experiment, Figure
from bench.line import SOURCE, Line
from bench.service import Service, declare, service
from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from tests.servers.crowd import Crowd, OneReader, Over, Told, room_for
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine

READERS: Final = 100
CROWD: Final = 1_000
RATE: Final = 1_000
"""Samples a second."""

STREAMS: Final = 20
KEYS: Final = 100
WARM_UP: Final = 5
MEASURED: Final = 20
"""Seconds."""

TIMED: Final = 10
"""Every so many readers take the time of each sample; the others only count."""

PATIENCE: Final = 60
"""Seconds after the last sample in which each reader must have all."""


@dataclass(kw_only=True)
class Delays:
    """How long after its measurement each sample came to one of ten readers, of those measured since a time."""

    since: Instant
    found: list[NDArray[np.float64]] = field(default_factory=list)
    _times: dict[int, tuple[Told, NDArray[np.int64]]] = field(default_factory=dict)

    def arrived(self, reader: OneReader, told: Told) -> None:
        """Take the time of what a reader got."""
        if told.times and reader.number % TIMED == 0:
            now = Instant.now()
            if id(told) not in self._times:
                times = np.array([one.removesuffix("Z") for one in told.times], "datetime64[us]").astype(np.int64)
                self._times[id(told)] = told, times[times >= self.since]
            self.found.append((now - self._times[id(told)][1]) / SECOND)

    def percentile(self, percent: float) -> float:
        """Give the delay within which so many in a hundred samples came."""
        return float(np.percentile(np.concatenate(self.found), percent))


async def _publish(line: Line, bindings: Mapping[str, Binding], seconds: float) -> None:
    """Hand samples over as a source does, ten at a time, each measured at that very moment."""
    loop, names, number = asyncio.get_running_loop(), list(bindings), 0
    begun = loop.time()
    while loop.time() - begun < seconds:
        await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
        now, some = Instant.now(), range(10)
        await line.deliver(
            Samples(
                addresses=[names[(number + at) % len(names)] for at in some],
                times=[Instant(now - 9 + at) for at in some],
                values=[float(number + at) for at in some],
                texts=[None] * 10,
                statuses=[0] * 10,
                origins=[0] * 10,
            )
        )
        number += 10


async def _followed(
    database: Database, tokens: list[str], running: Service, readers: int
) -> tuple[Delays, dict[str, float]]:
    """Let so many follow all streams, half of them over each wire; each must get every sample once."""
    with psycopg.connect(database.admin) as connection:
        streams = [row[0] for row in connection.execute("SELECT id FROM fieldlab.stream ORDER BY id").fetchall()]
    bindings = {f"a{key}": Binding(address=f"a{key}", stream=key, kind=Kind.NUMBER, origin=0) for key in streams}
    delays = Delays(since=Instant(0))
    crowd = Crowd(running.url, delays.arrived)
    before, begun = running.resident(), time.monotonic()
    await crowd.gather((tokens[at % len(tokens)], "asset=asset", list(Over)[at % 2]) for at in range(readers))
    opened = time.monotonic() - begun
    with tempfile.TemporaryDirectory() as directory:
        async with Line(database.gateway, Path(directory), bindings) as line:
            await line.start()
            delays.since = Instant(Instant.now() + WARM_UP * SECOND)
            await _publish(line, bindings, WARM_UP)
            begun, worked, most = time.monotonic(), running.worked(), running.resident()
            await _publish(line, bindings, MEASURED)
            busy = (running.worked() - worked) / (time.monotonic() - begun)
            await line.drained()
            stored = line.tallies.of(SOURCE).stored
            await _all_have(crowd, stored)
            most = max(most, running.resident())
    crowd.close()
    return delays, {"open_seconds": opened, "cpu_cores": busy, "rss_mb": most - before}


async def _all_have(crowd: Crowd, stored: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(crowd.samples) < stored or crowd.behind:  # noqa: ASYNC110 - readers count, and tell nobody
            await asyncio.sleep(0.2)
    if len(crowd.samples) > stored:
        raise AssertionError(f"{len(crowd.samples)} samples came, and {stored} were stored.")


def _run(engine: Engine) -> Mapping[str, float]:
    room_for(CROWD)
    with template(engine) as migrated, clone(migrated) as database:
        tokens = declare(database, streams=STREAMS, keys_each=KEYS)["owner"]
        with service(database) as running:
            few, _ = asyncio.run(_followed(database, tokens, running, READERS))
        with service(database) as running:
            many, cost = asyncio.run(_followed(database, tokens, running, CROWD))
    return {
        "query.live_p99_seconds": few.percentile(99),
        "query.live_p50_seconds": few.percentile(50),
        "query.live_1000_p99_seconds": many.percentile(99),
        **{f"query.live_1000_{name}": value for name, value in cost.items()},
    }


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.live_p99_seconds",
                meaning=f"from the hand-over to the gateway to the event, {RATE} samples/s, {READERS} readers",
                most=1.0,
            ),
            Figure(name="query.live_p50_seconds", meaning="the same, for half of the samples"),
            Figure(
                name="query.live_1000_p99_seconds",
                meaning=f"the same for {CROWD} readers with {KEYS} keys on one process, each of whom gets all, once",
                most=1.0,
            ),
            Figure(name="query.live_1000_cpu_cores", meaning="how many cores the query service keeps busy for them"),
            Figure(name="query.live_1000_rss_mb", meaning="growth of the query service with them"),
            Figure(name="query.live_1000_open_seconds", meaning="until all have their first event, fifty at a time"),
        ),
        run=_run,
    ),
)
