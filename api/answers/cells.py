"""Columns of a batch as columns of text, whole columns at a time: nothing here is done row by row."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

_WRITTEN: Final = len("2026-11-21 08:00:00.000000")
_BETWEEN: Final = len("2026-11-21")

AROUND: Final = frozenset({"time", "segment", "origin", "origins", "text"})
"""Columns of a batch that each format writes in its own way; `text` stands in `value` where one serves for both."""


def payload(schema: pa.Schema) -> list[str]:
    """Give the names of the columns that are the question's own, in order."""
    return [name for name in schema.names if name not in AROUND]


def moments(batch: pa.RecordBatch) -> pa.StringArray:
    """Write times as RFC 3339 with six digits, without the Z that ends them."""
    times = batch.column("time").view(pa.timestamp("us"))
    spaced = pc.cast(times, pa.string())
    rows = len(spaced)
    letters = np.frombuffer(spaced.buffers()[2], np.uint8, count=rows * _WRITTEN) if rows else np.empty(0, np.uint8)
    letters = letters.reshape(rows, _WRITTEN).copy()
    letters[:, _BETWEEN] = ord("T")
    return pa.StringArray.from_buffers(rows, spaced.buffers()[1], pa.py_buffer(letters))


def texts(batch: pa.RecordBatch, name: str, *, quote: Callable[[str], str], finite: bool) -> pa.StringArray:
    """Write a column; null where nothing can be written. `quote` writes one text; each that differs is written once.

    With `finite`, a number that is none (NaN, infinity) is null.
    """
    column = batch.column(name)
    written = _quoted(column, quote) if pa.types.is_string(column.type) else pc.cast(column, pa.string())
    if finite and pa.types.is_floating(column.type):
        written = pc.if_else(pc.is_finite(column), written, pa.scalar(None, pa.string()))
    if name == "value" and "text" in batch.schema.names:
        written = pc.coalesce(_quoted(batch.column("text"), quote), written)
    return written


def lines(*parts: pa.StringArray | str, missing: str) -> bytes:
    """Put columns and constants together, row by row, into one text; a null reads as `missing`."""
    whole = pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement=missing)
    if not len(whole):
        return b""
    _, offsets, letters = whole.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(letters)[ends[whole.offset] : ends[whole.offset + len(whole)]].tobytes()


def chosen(of_segment: Sequence[str], batch: pa.RecordBatch) -> pa.StringArray | str:
    """Give for each row the text that belongs to its segment."""
    numbers = batch.column("segment")
    if len(of_segment) == 1:
        return of_segment[0]
    return pa.array(of_segment, pa.string()).take(numbers)


def json_text(text: str) -> str:
    """Write a text as JSON."""
    return orjson.dumps(text).decode()


def _quoted(column: pa.Array, quote: Callable[[str], str]) -> pa.StringArray:
    encoded = column.dictionary_encode()
    return pa.array([quote(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)
