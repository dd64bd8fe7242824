"""Rows as PostgreSQL's binary formats: COPY BINARY and arrays, made from columns without a loop over rows."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from fieldlab.storage.database import POSTGRES_EPOCH
from fieldlab.storage.rows import Int64, Rows

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

_KEY: Final = [
    ("fields", ">i2"),
    ("stream_length", ">i4"),
    ("stream", ">i4"),
    ("status_length", ">i4"),
    ("status", ">i2"),
    ("origin_length", ">i4"),
    ("origin", ">i2"),
    ("time_length", ">i4"),
    ("time", ">i8"),
]
_NUMBER: Final = np.dtype([*_KEY, ("value_length", ">i4"), ("value", ">f8")])
_NUMBER_NO_TEXT: Final = np.dtype([*_NUMBER.descr, ("text_length", ">i4")])
_NO_NUMBER: Final = np.dtype([*_KEY, ("value_length", ">i4"), ("text_length", ">i4")])
_NULL: Final = -1
_ARRAYS: Final = {"i2": (21, 1005), "i4": (23, 1007), "i8": (1184, 1185), "f8": (701, 1022)}
"""For each dtype the type of an element and of the array (PostgreSQL, pg_type.dat)."""


def encode(rows: Rows) -> tuple[bytes, bool]:
    """Give rows in the format of COPY BINARY, without header and trailer, and whether the column `text` is among them.

    The columns are stream_id, status, origin, time, value and, where any row is without a number, text. Rows with a
    number come first; otherwise the order is kept.
    """
    if rows.numeric.all():
        return _numbers(rows, _NUMBER).tobytes(), False
    numbers = _numbers(rows.take(np.flatnonzero(rows.numeric)), _NUMBER_NO_TEXT)
    numbers["text_length"] = _NULL
    return numbers.tobytes() + _others(rows.take(np.flatnonzero(~rows.numeric))), True


def postgres_times(times: Int64) -> NDArray[np.int64]:
    """Turn microseconds since the Unix epoch into PostgreSQL's, since the year 2000."""
    return times - POSTGRES_EPOCH


def _key(rows: Rows, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    records = np.empty(len(rows), dtype)
    records["fields"] = len(dtype.names or ()) // 2
    records["stream_length"] = 4
    records["stream"] = rows.streams
    records["status_length"] = 2
    records["status"] = rows.statuses
    records["origin_length"] = 2
    records["origin"] = rows.origins
    records["time_length"] = 8
    records["time"] = postgres_times(rows.times)
    return records


def _numbers(rows: Rows, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    records = _key(rows, dtype)
    records["value_length"] = 8
    records["value"] = rows.values
    return records


def _others(rows: Rows) -> bytes:
    texts = [text.encode() if (text := rows.texts.get(at)) is not None else None for at in range(len(rows))]
    records = _key(rows, _NO_NUMBER)
    records["fields"] = 6
    records["value_length"] = _NULL
    records["text_length"] = [_NULL if text is None else len(text) for text in texts]
    fixed, size = records.tobytes(), _NO_NUMBER.itemsize
    return b"".join(fixed[at * size : (at + 1) * size] + (text or b"") for at, text in enumerate(texts))


class ArrayDumper(Dumper):
    """Gives a one-dimensional numpy array to PostgreSQL as an array without NULLs; its dtype says of which type.

    int16, int32 and float64 are themselves; int64 counts microseconds since the Unix epoch and becomes timestamptz.
    """

    format = Format.BINARY

    def get_key(self, obj: NDArray[np.generic], format: PyFormat) -> DumperKey:  # noqa: A002, ARG002 - psycopg's name
        """Tell arrays of different types apart."""
        return (self.cls, obj.dtype.type)

    def upgrade(self, obj: NDArray[np.generic], format: PyFormat) -> "ArrayDumper":  # noqa: A002, ARG002
        """Give a dumper that names the array's type to the server."""
        dumper = ArrayDumper(self.cls)
        dumper.oid = _ARRAYS[obj.dtype.str[1:]][1]
        return dumper

    def dump(self, obj: NDArray[np.generic]) -> bytes:
        """Write dimensions, flags, type, length and lower bound, then each element behind its length."""
        kind = obj.dtype.str[1:]
        column = postgres_times(obj.astype(np.int64)) if kind == "i8" else obj
        records = np.empty(len(column), [("length", ">i4"), ("element", f">{kind}")])
        records["length"] = column.dtype.itemsize
        records["element"] = column
        header = np.array([1, 0, _ARRAYS[kind][0], len(column), 1], ">i4").tobytes()
        return header + records.tobytes()
