"""Reads what a server publishes (OPC 10000-4, 7.25; encoded as in OPC 10000-6, 5.2) into columns; pure.

Values of plain numbers, which are nearly all, never become objects of their own: records that look alike are read
together, as one array.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.opcua.binary import BYTE, INT64, NUMBERS, UINT16, UINT32, Reader
from connectors.opcua.value import Malformed, NodeKey

_DATA_CHANGE: Final = NodeKey(0, 811)
_EVENTS: Final = NodeKey(0, 916)
_STATUS_CHANGE: Final = NodeKey(0, 820)

_VALUE, _STATUS, _SOURCE, _SERVER, _SOURCE_PICO, _SERVER_PICO = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_BOOLEAN: Final = 1
_HEAD: Final = struct.Struct("<IBB")
_SHORT: Final = 8
"""A run of records that look alike, but fewer, is not worth an array."""
_LONG: Final = 4_096
_SINGLY: Final = 32
"""Records that are read one by one after a short run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """Values of plain numbers in columns of equal length; times in 100 ns since 1601, 0 where there is none."""

    handles: NDArray[np.uint32]
    values: NDArray[np.float64]
    codes: NDArray[np.uint32]
    source: NDArray[np.int64]
    server: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.handles)

    def take(self, places: NDArray[np.bool_]) -> "Numbers":
        """Give the values at these places."""
        return Numbers(
            handles=self.handles[places],
            values=self.values[places],
            codes=self.codes[places],
            source=self.source[places],
            server=self.server[places],
        )


class Other(NamedTuple):
    """A value that is no plain number, or none at all; times as in `Numbers`."""

    handle: int
    value: object
    code: int
    source: int
    server: int


class Event(NamedTuple):
    """The fields of an event, in the order of the select clauses of the item with this handle."""

    handle: int
    fields: Sequence[object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """What a notification message holds. `ended` is the status code that ends the subscription, if it does."""

    sequence: int
    published: int
    numbers: Numbers
    others: Sequence[Other] = ()
    events: Sequence[Event] = ()
    ended: int | None = None
    empty: bool = False


@dataclass(kw_only=True, slots=True)
class _Parts:
    """What was read so far: whole arrays in order, and columns of what was read singly."""

    arrays: list[Numbers] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    server: list[int] = field(default_factory=list)
    others: list[Other] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def flush(self) -> None:
        """Make an array of what was read singly."""
        if self.handles:
            self.arrays.append(
                Numbers(
                    handles=np.array(self.handles, np.uint32),
                    values=np.array(self.values, np.float64),
                    codes=np.array(self.codes, np.uint32),
                    source=np.array(self.source, np.int64),
                    server=np.array(self.server, np.int64),
                )
            )
            self.handles, self.values, self.codes, self.source, self.server = [], [], [], [], []

    def numbers(self) -> Numbers:
        """Give all numbers, in the order in which they came."""
        self.flush()
        if len(self.arrays) == 1:
            return self.arrays[0]
        return Numbers(
            handles=np.concatenate([np.empty(0, np.uint32), *(one.handles for one in self.arrays)]),
            values=np.concatenate([np.empty(0, np.float64), *(one.values for one in self.arrays)]),
            codes=np.concatenate([np.empty(0, np.uint32), *(one.codes for one in self.arrays)]),
            source=np.concatenate([np.empty(0, np.int64), *(one.source for one in self.arrays)]),
            server=np.concatenate([np.empty(0, np.int64), *(one.server for one in self.arrays)]),
        )


def read_message(reader: Reader) -> Notification:
    """Read a NotificationMessage; raises Malformed."""
    sequence, published = reader.unpack(UINT32), reader.unpack(INT64)
    parts, ended, many = _Parts(), None, reader.count()
    for _ in range(many):
        one = reader.extension()
        inner = Reader(one.body or b"")
        match one.encoding:
            case code if code == _DATA_CHANGE:
                _read_changes(inner, parts)
            case code if code == _EVENTS:
                for _event in range(inner.count()):
                    handle = inner.unpack(UINT32)
                    parts.events.append(Event(handle, [inner.variant() for _field in range(inner.count())]))
            case code if code == _STATUS_CHANGE:
                ended = inner.unpack(UINT32)
    return Notification(
        sequence=sequence,
        published=published,
        numbers=parts.numbers(),
        others=parts.others,
        events=parts.events,
        ended=ended,
        empty=many == 0,
    )


def _read_changes(reader: Reader, parts: _Parts) -> None:
    """Read a DataChangeNotification."""
    left = reader.count()
    while left:
        run = _run(reader, left, parts)
        left -= run
        if run < _SHORT:
            for _ in range(min(left, _SINGLY)):
                _read_one(reader, parts)
                left -= 1


def _run(reader: Reader, left: int, parts: _Parts) -> int:
    """Read the numbers that come next as far as they look like the first; tell how many they are."""
    try:
        _, mask, kind = _HEAD.unpack_from(reader.data, reader.at)
    except struct.error:
        raise Malformed(f"the bytes end at {len(reader.data)}") from None
    if not mask & _VALUE or (kind not in NUMBERS and kind != _BOOLEAN):
        return 0
    layout = _layout(mask, kind)
    most = min(left, _LONG, (len(reader.data) - reader.at) // layout.itemsize)
    seen = np.frombuffer(reader.data, layout, most, reader.at)
    alike = (seen["mask"] == mask) & (seen["kind"] == kind)
    run = most if alike.all() else int(alike.argmin())
    if run < _SHORT:
        return 0
    seen = seen[:run]
    parts.flush()
    parts.arrays.append(
        Numbers(
            handles=seen["handle"],
            values=(seen["value"] != 0 if kind == _BOOLEAN else seen["value"]).astype(np.float64),
            codes=seen["code"] if mask & _STATUS else np.zeros(run, np.uint32),
            source=seen["source"] if mask & _SOURCE else np.zeros(run, np.int64),
            server=seen["server"] if mask & _SERVER else np.zeros(run, np.int64),
        )
    )
    reader.at += run * layout.itemsize
    return run


@cache
def _layout(mask: int, kind: int) -> np.dtype[np.void]:
    """Give how a MonitoredItemNotification of a number is written, without gaps."""
    form = "u1" if kind == _BOOLEAN else np.dtype(NUMBERS[kind].format).str
    fields = [("handle", "<u4"), ("mask", "u1"), ("kind", "u1"), ("value", form)]
    for bit, name, size in (
        (_STATUS, "code", "<u4"),
        (_SOURCE, "source", "<i8"),
        (_SOURCE_PICO, "source_pico", "<u2"),
        (_SERVER, "server", "<i8"),
        (_SERVER_PICO, "server_pico", "<u2"),
    ):
        if mask & bit:
            fields.append((name, size))
    return np.dtype(fields)


def _read_one(reader: Reader, parts: _Parts) -> None:
    """Read one MonitoredItemNotification."""
    one = read_data_value(reader, reader.unpack(UINT32))
    if isinstance(one.value, (float, int)):
        parts.handles.append(one.handle)
        parts.values.append(one.value)
        parts.codes.append(one.code)
        parts.source.append(one.source)
        parts.server.append(one.server)
    else:
        parts.others.append(one)


def read_data_value(reader: Reader, handle: int) -> Other:
    """Read a DataValue (OPC 10000-6, 5.2.2.17)."""
    mask = reader.unpack(BYTE)
    value = reader.variant() if mask & _VALUE else None
    code = reader.unpack(UINT32) if mask & _STATUS else 0
    source = reader.unpack(INT64) if mask & _SOURCE else 0
    if mask & _SOURCE_PICO:
        reader.unpack(UINT16)
    server = reader.unpack(INT64) if mask & _SERVER else 0
    if mask & _SERVER_PICO:
        reader.unpack(UINT16)
    return Other(handle, value, code, source, server)
