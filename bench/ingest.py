"""How fast measurements get into the database, against raw COPY BINARY of the same rows into the same table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import numpy as np
import psycopg

from bench.alternate import alternate
from bench.figure import Experiment, Figure
from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from fieldlab.storage.account import Fate
from fieldlab.storage.encode import HEADER, TRAILER, encode
from fieldlab.storage.write import Batch, Writer
from gateway.bind import Discipline, bind
from gateway.block import Block
from tests.servers.database import clone, template
from tests.servers.engine import Engine

ROWS: Final = 10_000
"""Rows of a batch."""

BATCHES: Final = 10
"""Batches of one timing."""

ROUNDS: Final = 9
STREAMS: Final = 200
PIECE: Final = 64 * 1024
COPY: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value) FROM STDIN (FORMAT binary)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Batches of one shape: `streams` numbers in turn, each at one sample a second, the first stream being `first`."""

    first: int
    streams: int = STREAMS

    @property
    def addresses(self) -> list[str]:
        """Give the address of each stream."""
        return [f"lab/machine-{at // 20}/telemetry#signal_{at % 20}" for at in range(self.streams)]

    @property
    def bindings(self) -> dict[str, Binding]:
        """Bind each address to its stream."""
        return {
            address: Binding(address=address, stream=self.first + at, kind=Kind.NUMBER, origin=0)
            for at, address in enumerate(self.addresses)
        }

    def batch(self, number: int, *, begin: Instant) -> Samples:
        """Give the batch of this number, of `ROWS` samples, as a connector hands it over."""
        rows = np.arange(number * ROWS, (number + 1) * ROWS)
        addresses = self.addresses
        return Samples(
            addresses=[addresses[at] for at in (rows % self.streams).tolist()],
            times=(begin + rows // self.streams * SECOND).tolist(),
            values=np.random.default_rng(number).normal(20.0, 5.0, ROWS).tolist(),
            texts=[None] * ROWS,
            statuses=[0] * ROWS,
            origins=[0] * ROWS,
        )


class RawCopy:
    """The limit: rows that are encoded already go straight into the table, a transaction for each batch.

    They are given in the order of the key, which an index takes fastest: in the order of their arrival, one stream
    after the other, the same COPY is slower.
    """

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def write(self, encoded: bytes) -> None:
        """Copy one batch and commit it."""
        view = memoryview(encoded)
        with self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(HEADER)
            for start in range(0, len(view), PIECE):
                copy.write(view[start : start + PIECE])
            copy.write(TRAILER)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _in_key_order(block: Block, load: Load) -> bytes:
    rows = bind(block, load.bindings, discipline=Discipline()).rows
    return encode(rows.take(np.lexsort((rows.times, rows.streams))))[0]


def _write_path(engine: Engine) -> Mapping[str, float]:
    """Bind and write batches that are in memory as blocks, against raw COPY of the same rows."""
    begin, now = Instant(Instant.now() - 3_000_000 * SECOND), Instant.now()
    ours, theirs = Load(first=1), Load(first=1 + STREAMS)
    turns = {"ours": count(), "theirs": count()}
    with template(engine) as migrated, clone(migrated) as database, Writer(database.gateway, spool="bench") as writer:
        raw = RawCopy(database.gateway)
        blocks = [Block.of(ours.batch(n, begin=begin), source=1, received_at=now) for n in range(BATCHES)]
        same = [Block.of(theirs.batch(n, begin=begin), source=1, received_at=now) for n in range(BATCHES)]

        def later(block: Block, turn: int) -> Block:
            return replace(block, times=block.times + turn * BATCHES * ROWS // STREAMS * SECOND)

        encoded = [[_in_key_order(later(one, turn), theirs) for one in same] for turn in range(ROUNDS + 1)]
        bindings, numbers = ours.bindings, count(1)

        def write() -> None:
            turn = next(turns["ours"])
            for block in blocks:
                rows = bind(later(block, turn), bindings, discipline=Discipline()).rows
                number = next(numbers)
                outcome = writer.write(Batch(first=number, last=number, rows=rows, received_at=now))
                assert outcome.count(Fate.STORED) == ROWS

        def copy() -> None:
            for batch in encoded[next(turns["theirs"])]:
                raw.write(batch)

        seconds = alternate({"write": write, "copy": copy}, rounds=ROUNDS)
        raw.close()
    return {"ingest.write_path_vs_copy": seconds["copy"] / seconds["write"]}


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="ingest.write_path_vs_copy",
                meaning="rows a second bound and committed ÷ raw COPY BINARY of batches of 10,000 in key order",
                least=0.8,
            ),
        ),
        run=_write_path,
    ),
)
