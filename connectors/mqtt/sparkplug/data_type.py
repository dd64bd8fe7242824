"""Data types of Sparkplug B (specification 3.0, 6.4.16) and how their values are written."""

import struct
from enum import IntEnum
from typing import Final

from fieldlab.assets.asset import Kind


class DataType(IntEnum):
    """The data types by their numbers."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATE_TIME = 13
    TEXT = 14
    UUID = 15
    DATA_SET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATE_TIME_ARRAY = 34


Scalar = float | str
Value = Scalar | list[Scalar]

_BITS: Final = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_NUMBERS: Final = frozenset(range(DataType.INT8, DataType.DOUBLE + 1)) | {DataType.DATE_TIME}
_TEXTS: Final = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_PACKED: Final = {
    DataType.INT8_ARRAY: "b",
    DataType.INT16_ARRAY: "h",
    DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B",
    DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d",
    DataType.DATE_TIME_ARRAY: "Q",
}
_COUNT: Final = 4
_MOST: Final = 10_000


def kind_of(data_type: int) -> Kind | None:
    """Tell which kind of stream holds values of a data type; None where none does, or the parts tell."""
    if data_type in _NUMBERS:
        return Kind.NUMBER
    if data_type in _TEXTS:
        return Kind.TEXT
    return Kind.BOOLEAN if data_type == DataType.BOOLEAN else None


def value_of(raw: object, data_type: int) -> Value | None:
    """Read a value as protobuf gave it: numbers and booleans as floats, dates as ms from 1970, arrays as lists.

    Signed integers stand in unsigned fields as two's complement, of their own width or that of the field (6.4.16).
    None for what is no measurement; raises ValueError for bytes that do not fit their type.
    """
    match raw:
        case bool():
            return float(raw)
        case int():
            bits = _BITS.get(DataType(data_type) if data_type <= DataType.DATE_TIME_ARRAY else DataType.UNKNOWN)
            if bits is not None:
                raw &= (1 << bits) - 1
                raw -= (raw >> (bits - 1)) << bits
            return float(bool(raw)) if data_type == DataType.BOOLEAN else float(raw)
        case float():
            return raw
        case str():
            return raw
        case bytes() if DataType.INT8_ARRAY <= data_type <= DataType.DATE_TIME_ARRAY:
            return _elements(raw, data_type)
        case _:
            return None


def _elements(raw: bytes, data_type: int) -> list[Scalar]:
    """Unpack an array, little endian (6.4.16, array types)."""
    if data_type == DataType.STRING_ARRAY:
        if raw and not raw.endswith(b"\0"):
            raise ValueError("its last text has no end")
        texts: list[Scalar] = [text.decode() for text in raw.split(b"\0")[:-1]]
        return _bounded(texts)
    if data_type == DataType.BOOLEAN_ARRAY:
        count = int.from_bytes(raw[:_COUNT], "little")
        if len(raw) != _COUNT + (count + 7) // 8:
            raise ValueError("its length is not that of its booleans")
        packed = raw[_COUNT:]
        return _bounded([float(packed[at // 8] >> (7 - at % 8) & 1) for at in range(min(count, _MOST + 1))])
    letter = _PACKED[DataType(data_type)]
    size = struct.calcsize(letter)
    if len(raw) % size:
        raise ValueError(f"its length is no multiple of {size}")
    if len(raw) // size > _MOST:
        raise ValueError(f"it has more than {_MOST} elements")
    return [float(number) for number in struct.unpack(f"<{len(raw) // size}{letter}", raw)]


def _bounded(elements: list[Scalar]) -> list[Scalar]:
    if len(elements) > _MOST:
        raise ValueError(f"it has more than {_MOST} elements")
    return elements
