"""The samples that the ingest figures are measured with, and raw COPY of the same rows, the limit."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import psycopg

from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from fieldlab.storage.encode import HEADER, TRAILER, encode
from gateway.bind import Discipline, bind
from gateway.block import Block

ROWS: Final = 10_000
"""Rows of a batch."""

STREAMS: Final = 200
BEGIN: Final = Instant(Instant.now() - 3_000_000 * SECOND)
_PIECE: Final = 64 * 1024
_COPY: Final = "COPY fieldlab.measurement (stream_id, status, origin, time, value) FROM STDIN (FORMAT binary)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Samples of `streams` numbers in turn, each at one sample a second, the first stream being `first`."""

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

    def samples(self, start: int, count: int = ROWS) -> Samples:
        """Give the samples from this number on, as a connector hands them over."""
        rows = np.arange(start, start + count)
        addresses = self.addresses
        return Samples(
            addresses=[addresses[at] for at in (rows % self.streams).tolist()],
            times=(BEGIN + rows // self.streams * SECOND).tolist(),
            values=np.random.default_rng(start).normal(20.0, 5.0, count).tolist(),
            texts=[None] * count,
            statuses=[0] * count,
            origins=[0] * count,
        )

    def encoded(self, start: int) -> bytes:
        """Give a batch from this number on as raw COPY takes it fastest: ready, and in the order of the key."""
        block = Block.of(self.samples(start), source=1, received_at=Instant.now())
        rows = bind(block, self.bindings, discipline=Discipline()).rows
        return encode(rows.take(np.lexsort((rows.times, rows.streams))))[0]


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
        with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(HEADER)
            for start in range(0, len(view), _PIECE):
                copy.write(view[start : start + _PIECE])
            copy.write(TRAILER)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
