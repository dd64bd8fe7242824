"""How fast measurements get into the database, against raw COPY BINARY of the same rows into the same table."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from bench.alternate import in_turns
from bench.figure import Experiment, Figure
from bench.line import Line
from bench.load import ROWS, STREAMS, Load, RawCopy
from fieldlab.readings.instant import Instant
from fieldlab.storage.batch import Batch, plan
from fieldlab.storage.write import Writer
from gateway.bind import Discipline, bind
from gateway.block import Block
from tests.servers.database import clone, template
from tests.servers.engine import Engine

BATCHES: Final = 30
"""Batches of one timing."""

ROUNDS: Final = 7
DELIVERY: Final = 1_000
"""Samples of one delivery, as a busy MQTT source hands them over."""

LEFT_BY_OUTAGE: Final = 300
"""Samples of one record that a slower source has left in the spool."""


@dataclass
class Course:
    """One database, and a stretch of fresh samples for every turn: ours and raw COPY's are as many and as alike."""

    url: str
    ours: Load = field(default_factory=lambda: Load(first=1))
    theirs: Load = field(default_factory=lambda: Load(first=1 + STREAMS))
    turns: Iterator[int] = field(default_factory=count)
    raw_turns: Iterator[int] = field(default_factory=count)

    def copy(self) -> float:
        """Time raw COPY of the next stretch."""
        start = next(self.raw_turns) * BATCHES * ROWS
        encoded = [self.theirs.encoded(start + batch * ROWS) for batch in range(BATCHES)]
        raw = RawCopy(self.url)
        begin = time.perf_counter()
        for batch in encoded:
            raw.write(batch)
        taken = time.perf_counter() - begin
        raw.close()
        return taken

    def catch_up(self, size: int) -> float:
        """Time writing a stretch that lies in the spool in records of this size."""
        return asyncio.run(self._catch_up(size, next(self.turns) * BATCHES * ROWS))

    async def _catch_up(self, size: int, start: int) -> float:
        with tempfile.TemporaryDirectory() as directory:
            async with Line(self.url, Path(directory), self.ours.bindings) as line:
                line.fill(self.ours.samples(start + at, size) for at in range(0, BATCHES * ROWS, size))
                begin = time.perf_counter()
                await line.start()
                await line.drained()
                return time.perf_counter() - begin

    def catch_up_with_known(self) -> float:
        """Time the same, a tenth of each batch being stored already."""
        start = next(self.turns) * BATCHES * ROWS
        with Writer(self.url, spool=f"known {start}") as writer:
            for batch in range(BATCHES):
                samples = self.ours.samples(start + batch * ROWS, ROWS // 10)
                block = Block.of(samples, source=1, received_at=Instant.now())
                rows = bind(block, self.ours.bindings, discipline=Discipline()).rows
                writer.write(plan(Batch(first=batch + 1, last=batch + 1, rows=rows, received_at=Instant.now())))
        return asyncio.run(self._catch_up(ROWS, start))

    def hand_over(self) -> float:
        """Time a stretch from the first delivery handed over until all is committed."""
        return asyncio.run(self._hand_over())

    async def _hand_over(self) -> float:
        start = next(self.turns) * BATCHES * ROWS
        deliveries = [self.ours.samples(start + at, DELIVERY) for at in range(0, BATCHES * ROWS, DELIVERY)]
        with tempfile.TemporaryDirectory() as directory:
            async with Line(self.url, Path(directory), self.ours.bindings) as line:
                await line.start()
                await line.deliver(self.ours.samples(start + BATCHES * ROWS - 1, 1))
                await line.drained()
                begin = time.perf_counter()
                for delivery in deliveries:
                    await line.deliver(delivery)
                await line.drained()
                return time.perf_counter() - begin


@contextmanager
def _course(engine: Engine) -> Iterator[Course]:
    with template(engine) as migrated, clone(migrated) as database:
        yield Course(url=database.gateway)


def _ratio(name: str, way: Callable[[Course], float]) -> Callable[[Engine], Mapping[str, float]]:
    def run(engine: Engine) -> Mapping[str, float]:
        with _course(engine) as course:
            seconds = in_turns({"ours": lambda: way(course), "copy": course.copy}, rounds=ROUNDS)
        return {name: seconds["copy"] / seconds["ours"]}

    return run


def _experiment(name: str, meaning: str, least: float, way: Callable[[Course], float]) -> Experiment:
    return Experiment(figures=(Figure(name=name, meaning=meaning, least=least),), run=_ratio(name, way))


EXPERIMENTS: Final = (
    _experiment(
        "ingest.write_path_vs_copy",
        "rows a second from the spool to the commit ÷ raw COPY BINARY of batches of 10,000 in key order",
        0.8,
        lambda course: course.catch_up(ROWS),
    ),
    _experiment(
        "ingest.replay_vs_copy",
        f"the same from records of {LEFT_BY_OUTAGE}, as an outage leaves them ÷ raw COPY BINARY",
        0.8,
        lambda course: course.catch_up(LEFT_BY_OUTAGE),
    ),
    _experiment(
        "ingest.duplicates_vs_copy",
        "rows a second of batches in which a tenth is stored already ÷ raw COPY BINARY of as many new rows",
        0.35,
        Course.catch_up_with_known,
    ),
    _experiment(
        "ingest.spool_and_write_vs_copy",
        f"from deliveries of {DELIVERY} handed over, through the spool, to the commit ÷ raw COPY BINARY",
        0.6,
        Course.hand_over,
    ),
)
