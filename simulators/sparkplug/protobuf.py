"""As much of Protocol Buffers' wire format as Sparkplug payloads need: numbers, doubles and byte strings."""

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")
_MORE, _SEVEN, _WIDEST = 0x80, 0x7F, 64


class NotProtobufError(ValueError):
    """Bytes that are no Protocol Buffers message."""


def varint(number: int) -> bytes:
    """Encode a number; one below 0 as its two's complement of 64 bits."""
    rest = number & 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while rest > _SEVEN:
        out.append(rest & _SEVEN | _MORE)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Encode a field that holds a number or a boolean."""
    return varint(field << 3 | _VARINT) + varint(value)


def double(field: int, value: float) -> bytes:
    """Encode a field that holds a double."""
    return varint(field << 3 | _FIXED64) + _DOUBLE.pack(value)


def data(field: int, value: bytes) -> bytes:
    """Encode a field that holds bytes, a text in UTF-8, or a message."""
    return varint(field << 3 | _BYTES) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """Encode a field that holds a text."""
    return data(field, value.encode())


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give (field, value) of each field; fixed-width values come as their bytes. Raises NotProtobufError."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise NotProtobufError(f"wire type {kind}")
        if at + size > len(message):
            raise NotProtobufError("cut short")
        yield tag >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift >= _WIDEST:
            raise NotProtobufError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & _SEVEN) << shift
        if byte < _MORE:
            return value, at
        shift += 7
