"""Reads a server's answers to publish and republish requests, and about the past (OPC 10000-4, 5.11, 5.14); pure."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from connectors.opcua.binary import INT64, UINT32, Reader
from connectors.opcua.notification import Notification, Other, read_data_value, read_message
from connectors.opcua.value import NodeKey

_HISTORY: Final = NodeKey(0, 658)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """An answer to a publish request: which messages the server keeps, whether it has more, and its message.

    `sent` is when the server sent it, in 100 ns since 1601; `fault` the status code of an answer that is none, 0 if it
    is good.
    """

    sent: int
    fault: int
    available: tuple[int, ...] = ()
    more: bool = False
    message: Notification


def read_published(data: bytes) -> Published:
    """Read a PublishResponse (OPC 10000-4, 5.14.5); raises Malformed."""
    reader, sent, fault = _begun(data)
    reader.unpack(UINT32)
    available = tuple(reader.unpack(UINT32) for _ in range(reader.count()))
    more = reader.boolean()
    return Published(sent=sent, fault=fault, available=available, more=more, message=read_message(reader))


def read_republished(data: bytes) -> Notification:
    """Read a RepublishResponse (OPC 10000-4, 5.14.6); raises Malformed."""
    return read_message(_begun(data)[0])


class Past(NamedTuple):
    """What a node said (OPC 10000-4, 5.11.3): its values, a mark where there are more, or the code of a refusal."""

    code: int
    mark: bytes | None
    values: list[Other]


def read_history(data: bytes) -> list[Past]:
    """Read a HistoryReadResponse with raw values, a node a result; raises Malformed."""
    reader, _, _ = _begun(data)
    found = []
    for place in range(reader.count()):
        code, mark, values = reader.unpack(UINT32), reader.byte_string(), reader.extension()
        inner = Reader(values.body) if values.body and values.encoding == _HISTORY else None
        found.append(Past(code, mark, [read_data_value(inner, place) for _ in range(inner.count())] if inner else []))
    return found


def _begun(data: bytes) -> tuple[Reader, int, int]:
    """Read over the header of a response; give when it was sent, and its status code."""
    reader = Reader(data)
    reader.node()
    sent = reader.unpack(INT64)
    reader.unpack(UINT32)
    fault = reader.unpack(UINT32)
    reader.diagnostics()
    for _ in range(reader.count()):
        reader.text()
    reader.extension()
    return reader, sent, fault
