"""Reads OPC UA Binary (OPC 10000-6, 5.2) from a byte string; pure, and knows neither session nor library.

Values become Python's own: numbers, bool, str, bytes, datetime, UUID, nested lists for arrays and matrices, and the
classes of `value.py` for what has no counterpart. Everything raises Malformed for bytes that do not hold what they
promise.
"""

import struct
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from connectors.opcua.value import Code, Extension, Malformed, NodeKey, Opaque, Word, moment, shaped

T = TypeVar("T")

MOST: Final = 1_000_000
"""Elements of the largest array that is read."""

_DEEPEST: Final = 32


class Reader:
    """A place in a byte string, which every reading moves on."""

    __slots__ = ("_deep", "at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at
        self._deep = 0

    def unpack(self, form: struct.Struct) -> int:
        """Read one number."""
        try:
            value: int = form.unpack_from(self.data, self.at)[0]
        except struct.error:
            raise Malformed(f"the bytes end at {len(self.data)}") from None
        self.at += form.size
        return value

    def take(self, length: int) -> bytes:
        """Read so many bytes."""
        end = self.at + length
        if length < 0 or end > len(self.data):
            raise Malformed(f"{length} bytes are promised at {self.at} of {len(self.data)}")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def count(self) -> int:
        """Read the length of an array; none for one that is null."""
        many = self.unpack(INT32)
        if many > min(MOST, len(self.data) - self.at):
            raise Malformed(f"an array of {many} elements at {self.at} of {len(self.data)} bytes")
        return max(many, 0)

    def byte_string(self) -> bytes | None:
        """Read bytes (5.2.2.7)."""
        length = self.unpack(INT32)
        return None if length < 0 else self.take(length)

    def text(self) -> str | None:
        """Read a text (5.2.2.4); what is no UTF-8 is replaced."""
        raw = self.byte_string()
        return None if raw is None else raw.decode("utf-8", "replace")

    def boolean(self) -> bool:
        """Read a Boolean (5.2.2.1)."""
        return self.unpack(BYTE) != 0

    def moment(self) -> datetime | None:
        """Read a DateTime (5.2.2.5); None for the least and the greatest, which mean none."""
        return moment(self.unpack(INT64))

    def guid(self) -> uuid.UUID:
        """Read a Guid (5.2.2.6)."""
        return uuid.UUID(bytes_le=self.take(16))

    def word(self) -> Word:
        """Read a LocalizedText (5.2.2.14)."""
        mask = self.unpack(BYTE)
        if mask & 0x01:
            self.text()
        return Word(self.text() if mask & 0x02 else None)

    def name(self) -> Word:
        """Read a QualifiedName (5.2.2.13)."""
        self.unpack(UINT16)
        return Word(self.text())

    def node(self) -> NodeKey:
        """Read a NodeId or an ExpandedNodeId (5.2.2.9, 5.2.2.10); the URI and the server of the latter are left out."""
        kind = self.unpack(BYTE)
        match kind & 0x3F:
            case 0:
                key = NodeKey(0, self.unpack(BYTE))
            case 1:
                key = NodeKey(self.unpack(BYTE), self.unpack(UINT16))
            case 2:
                key = NodeKey(self.unpack(UINT16), self.unpack(UINT32))
            case 3:
                key = NodeKey(self.unpack(UINT16), self.text() or "")
            case 4:
                key = NodeKey(self.unpack(UINT16), self.guid())
            case 5:
                key = NodeKey(self.unpack(UINT16), self.byte_string() or b"")
            case unknown:
                raise Malformed(f"a NodeId of kind {unknown}")
        if kind & 0x80:
            self.text()
        if kind & 0x40:
            self.unpack(UINT32)
        return key

    def extension(self) -> Extension:
        """Read an ExtensionObject (5.2.2.15) without decoding it."""
        encoding, form = self.node(), self.unpack(BYTE)
        body = self.byte_string() if form else None
        return Extension(encoding, body if form == 1 else None)

    def status(self) -> Code:
        """Read a StatusCode as a value (5.2.2.11)."""
        return Code(self.unpack(UINT32))

    def variant(self) -> object:
        """Read a Variant (5.2.2.16)."""
        mask = self.unpack(BYTE)
        kind = mask & 0x3F
        if kind == 0:
            return None
        read = self.reader_of(kind)
        if not mask & 0x80:
            return read()
        flat = self.array(kind)
        if not mask & 0x40:
            return flat
        dimensions = [self.unpack(INT32) for _ in range(self.count())]
        return shaped(flat, dimensions)

    def array(self, kind: int) -> list[object]:
        """Read an array of a built-in type (5.2.5), in one step where its elements are numbers."""
        many, form = self.count(), NUMBERS.get(kind)
        if form is None:
            read = self.reader_of(kind)
            return [read() for _ in range(many)]
        whole = struct.Struct(f"<{many}{form.format[-1]}")
        return list(whole.unpack(self.take(whole.size)))

    def reader_of(self, kind: int) -> Callable[[], object]:
        """Give what reads a built-in type, by its number (5.1.2)."""
        if (form := NUMBERS.get(kind)) is not None:
            return partial(self.unpack, form)
        if kind not in _READERS:
            raise Malformed(f"a value of built-in type {kind}")
        return partial(_READERS[kind], self)

    def diagnostics(self) -> Opaque:
        """Read over a DiagnosticInfo (5.2.2.12)."""
        mask = self.unpack(BYTE)
        for bit in (0x01, 0x02, 0x08, 0x04):
            if mask & bit:
                self.unpack(INT32)
        if mask & 0x10:
            self.text()
        if mask & 0x20:
            self.unpack(UINT32)
        if mask & 0x40:
            self._deeper(self.diagnostics)
        return Opaque("DiagnosticInfo")

    def data_value(self) -> object:
        """Read a DataValue inside a value (5.2.2.17); only what it carries is kept."""
        mask = self.unpack(BYTE)
        value = self.inner_variant() if mask & 0x01 else None
        for bit, form in ((0x02, UINT32), (0x04, INT64), (0x10, UINT16), (0x08, INT64), (0x20, UINT16)):
            if mask & bit:
                self.unpack(form)
        return value

    def inner_variant(self) -> object:
        """Read a Variant inside a value."""
        return self._deeper(self.variant)

    def _deeper(self, read: Callable[[], T]) -> T:
        self._deep += 1
        if self._deep > _DEEPEST:
            raise Malformed(f"values in values, {_DEEPEST} deep")
        try:
            return read()
        finally:
            self._deep -= 1


BYTE: Final = struct.Struct("<B")
UINT16: Final = struct.Struct("<H")
INT32: Final = struct.Struct("<i")
UINT32: Final = struct.Struct("<I")
INT64: Final = struct.Struct("<q")
NUMBERS: Final = {
    2: struct.Struct("<b"),
    3: BYTE,
    4: struct.Struct("<h"),
    5: UINT16,
    6: INT32,
    7: UINT32,
    8: INT64,
    9: struct.Struct("<Q"),
    10: struct.Struct("<f"),
    11: struct.Struct("<d"),
}
"""The built-in types that are numbers (5.1.2), with how they are written."""

_READERS: Final[Mapping[int, Callable[[Reader], object]]] = {
    1: Reader.boolean,
    12: Reader.text,
    13: Reader.moment,
    14: Reader.guid,
    15: Reader.byte_string,
    16: Reader.text,
    17: Reader.node,
    18: Reader.node,
    19: Reader.status,
    20: Reader.name,
    21: Reader.word,
    22: Reader.extension,
    23: Reader.data_value,
    24: Reader.inner_variant,
    25: Reader.diagnostics,
}
