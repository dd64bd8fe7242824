"""Rows in columns, as Arrow batches: packed samples from the database's own bytes, and rows of a statement.

Every batch has `time` (timestamp[us, UTC]) and `segment` (int32, the number of the segment in its answer); what stands
between them is the answer's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fieldlab.readings.origin import Origin
from fieldlab.storage.database import POSTGRES_EPOCH
from fieldlab.storage.pool import Connection, counting
from fieldlab.storage.transaction import Bound

TIME: Final = pa.timestamp("us", tz="UTC")

_STATUS: Final = 0xFFFF
_ORIGIN: Final = 0x0F
_ORIGIN_AT: Final = 16
_NO_NUMBER: Final = 1 << 24


async def fetch(bound: Bound, statement: LiteralString, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run a statement with `%(name)s` parameters in a bound transaction; times come as PostgreSQL counts them."""
    pooled = await bound.connection.get_raw_connection()
    async with counting(cast("Connection", pooled.driver_connection)) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """Samples of one segment as `visible.packed_samples` gives them: big-endian values behind one another."""

    segment: int
    samples: int
    times: bytes
    readings: bytes
    marks: bytes
    texts: Sequence[str | None] | None


def sample_schema(*, with_text: bool) -> pa.Schema:
    """Give the columns of samples: `value` is null where there is none, or where `text` has it."""
    text = [pa.field("text", pa.string())] if with_text else []
    return pa.schema(
        [
            pa.field("time", TIME, nullable=False),
            pa.field("value", pa.float64()),
            *text,
            pa.field("status", pa.uint16(), nullable=False),
            pa.field("origin", pa.int8(), nullable=False),
            pa.field("segment", pa.int32(), nullable=False),
        ]
    )


def sample_batch(parts: Sequence[Packed], *, with_text: bool) -> pa.RecordBatch:
    """Unpack samples of any number of segments into one batch."""
    parts = [part for part in parts if part.samples]
    times = np.frombuffer(b"".join(part.times for part in parts), ">i8").astype(np.int64)
    times += POSTGRES_EPOCH
    values = np.frombuffer(b"".join(part.readings for part in parts), ">f8").astype(np.float64)
    marks = np.frombuffer(b"".join(part.marks for part in parts), ">i4").astype(np.int32)
    missing = marks >= _NO_NUMBER
    columns = [
        pa.array(times, pa.int64()).view(TIME),
        pa.array(values, mask=missing if missing.any() else None),
        pa.array((marks & _STATUS).astype(np.uint16)),
        pa.array((marks >> _ORIGIN_AT & _ORIGIN).astype(np.int8)),
        pa.array(numbers_of(parts)),
    ]
    if with_text:
        texts = [text for part in parts for text in part.texts or [None] * part.samples]
        columns.insert(2, pa.array(texts, pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=sample_schema(with_text=with_text))


def numbers_of(parts: Sequence[Packed]) -> NDArray[np.int32]:
    """Give the number of the segment of each row."""
    return np.repeat(
        np.array([part.segment for part in parts], dtype=np.int32),
        np.array([part.samples for part in parts], dtype=np.intp),
    )


def origins_in(batch: pa.RecordBatch) -> dict[int, set[Origin]]:
    """Tell which origins the samples of each segment of a batch have; buckets have theirs as a set of bits."""
    segments = ints(batch, "segment").astype(np.int64)
    if "origin" in batch.schema.names:
        bits = np.left_shift(1, ints(batch, "origin").astype(np.int64))
    else:
        bits = ints(batch, "origins").astype(np.int64)
    origins: dict[int, set[Origin]] = {}
    for pair in np.unique(segments << _ORIGIN_AT | bits).tolist():
        found = origins.setdefault(pair >> _ORIGIN_AT, set())
        found.update(origin for origin in Origin if pair >> origin & 1)
    return origins


def ints(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Give a column without nulls as numpy sees it; times as microseconds since the Unix epoch."""
    column = batch.column(name)
    column = column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=True)
    return numbers


def instants(counted: Sequence[int]) -> NDArray[np.int64]:
    """Turn finite times as PostgreSQL counts them into microseconds since the Unix epoch."""
    return np.array(counted, dtype=np.int64) + POSTGRES_EPOCH
