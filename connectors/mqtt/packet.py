"""Cuts the bytes of an MQTT connection into packets and reads PUBLISH, many in one go; pure.

Control packets other than PUBLISH are left as bytes, for the protocol library to read.
"""

from typing import Final, NamedTuple

PUBLISH: Final = 0x3
PUBREL: Final = 0x6

_TOPICS_REMEMBERED: Final = 10_000
_VARIABLE: Final = 0x80
_LONGEST_LENGTH: Final = 4


class Arrival(NamedTuple):
    """A PUBLISH as it came in; `packet` is 0 where the broker wants no answer (QoS 0)."""

    packet: int
    qos: int
    topic: str
    payload: bytes
    retained: bool


class Cutter:
    """Takes bytes as they are read; gives whole packets, in order, and keeps the rest for the next call."""

    def __init__(self, *, properties: bool) -> None:
        """`properties` tells whether packets have them: MQTT 5 does, 3.1.1 does not."""
        self._properties = properties
        self._rest = bytearray()
        self._missing = 0
        self._topics: dict[bytes, str] = {}

    def cut(self, read: bytes) -> tuple[list[Arrival], list[bytes]]:
        """Give the messages and the other packets that are complete now; raises ValueError for malformed bytes."""
        if self._rest:
            self._rest += read
            self._missing -= len(read)
            if self._missing > 0:
                return [], []
            read = bytes(self._rest)
            self._rest.clear()
        arrivals: list[Arrival] = []
        others: list[bytes] = []
        start, end = 0, len(read)
        while start < end:
            body, stop = _span(read, start)
            if stop > end:
                self._rest += read[start:]
                self._missing = stop - end
                break
            if read[start] >> 4 == PUBLISH:
                arrivals.append(self._arrival(read, read[start], body, stop))
            else:
                others.append(read[start:stop])
            start = stop
        return arrivals, others

    def _arrival(self, read: bytes, head: int, body: int, stop: int) -> Arrival:
        """Read a PUBLISH (MQTT 5.0, 3.3; 3.1.1, 3.3)."""
        at = body + 2 + int.from_bytes(read[body : body + 2], "big")
        name = read[body + 2 : at]
        topic = self._topics.get(name) or self._topic(name)
        qos, packet = head >> 1 & 3, 0
        if qos:
            packet = int.from_bytes(read[at : at + 2], "big")
            at += 2
        if self._properties:
            length, size = read[at], 1
            if length & _VARIABLE:
                length, size = _length(read, at)
            at += size + length
        if at > stop:
            raise ValueError("PUBLISH is shorter than it says")
        return Arrival(packet, qos, topic, read[at:stop], bool(head & 1))

    def _topic(self, name: bytes) -> str:
        if not name:
            raise ValueError("PUBLISH has no topic")
        if len(self._topics) >= _TOPICS_REMEMBERED:
            self._topics.clear()
        topic = self._topics[name] = str(name, "utf-8")
        return topic


def _span(read: bytes, start: int) -> tuple[int, int]:
    """Tell where the packet at `start` has its body and where it stops; beyond the end where bytes are missing."""
    length, size = _length(read, start + 1)
    body = start + 1 + size
    return body, body + length


def _length(read: bytes, at: int) -> tuple[int, int]:
    """Read a variable byte integer (MQTT 5.0, 1.5.5) and its size; one byte beyond what is there asks for more."""
    length = 0
    for size in range(_LONGEST_LENGTH):
        if at + size >= len(read):
            return 0, size + 1
        byte = read[at + size]
        length |= (byte & 0x7F) << 7 * size
        if not byte & _VARIABLE:
            return length, size + 1
    raise ValueError("a length has more than four bytes")
