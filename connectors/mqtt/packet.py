"""Cuts the bytes of an MQTT connection into packets and reads PUBLISH, many in one go; pure.

Control packets other than PUBLISH are left as bytes, for the protocol library to read.
"""

from typing import Final, NamedTuple

PUBLISH: Final = 0x3
PUBREL: Final = 0x6

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of the largest packet that is kept whole."""

_KEPT: Final = 256 * 1024
"""Bytes that are kept of a larger PUBLISH."""
_TOPICS_REMEMBERED: Final = 10_000
_MORE: Final = 0x80
_LONGEST_LENGTH: Final = 4


class Arrival(NamedTuple):
    """A PUBLISH as it came in: its first byte, packet identifier (0 with QoS 0), topic and payload.

    `missing` bytes at the end of a very large payload were not kept.
    """

    head: int
    packet: int
    topic: str
    payload: bytes
    missing: int

    @property
    def qos(self) -> int:
        """Give the quality of service; with 0 the broker wants no answer."""
        return self.head >> 1 & 3

    @property
    def again(self) -> bool:
        """Tell whether the broker marks it as sent before."""
        return self.head & 8 != 0

    @property
    def retained(self) -> bool:
        """Tell whether the broker had kept it from before the subscription."""
        return self.head & 1 != 0


class Cutter:
    """Takes bytes as they are read; gives whole packets, in order, and keeps the rest for the next call."""

    def __init__(self, *, properties: bool) -> None:
        """`properties` tells whether packets have them: MQTT 5 does, 3.1.1 does not."""
        self._properties = properties
        self._rest = bytearray()
        self._needed = 0
        self._skip = 0
        self._cropped: Arrival | None = None
        self._topics: dict[bytes, str] = {}

    def cut(self, read: bytes) -> tuple[list[Arrival], list[bytes]]:
        """Give the messages and the other packets that are complete now; raises ValueError for malformed bytes."""
        arrivals: list[Arrival] = []
        others: list[bytes] = []
        if self._rest:
            self._rest += read
            if len(self._rest) < self._needed:
                return arrivals, others
            read = bytes(self._rest)
            self._rest.clear()
        start, end = 0, len(read)
        while start < end:
            if self._skip:
                start = self._skipped(start, end, arrivals)
                continue
            body, stop = _span(read, start)
            whole = stop - start <= LARGEST
            needed = stop if whole else start + _KEPT
            if needed > end:
                self._rest += read[start:]
                self._needed = needed - start
                break
            if read[start] >> 4 == PUBLISH:
                arrival = self._arrival(read, read[start], body, needed, stop - needed)
                if whole:
                    arrivals.append(arrival)
                else:
                    self._cropped, self._skip = arrival, stop - needed
            elif whole:
                others.append(read[start:stop])
            else:
                raise ValueError(f"a packet of {stop - start} bytes that is no message")
            start = needed
        return arrivals, others

    def _skipped(self, start: int, end: int, arrivals: list[Arrival]) -> int:
        """Pass over the rest of a message that is too large; it counts as arrived when all of it was passed."""
        passed = min(self._skip, end - start)
        self._skip -= passed
        if not self._skip and self._cropped is not None:
            arrivals.append(self._cropped)
            self._cropped = None
        return start + passed

    def _arrival(self, read: bytes, head: int, body: int, stop: int, missing: int) -> Arrival:
        """Read a PUBLISH (MQTT 5.0, 3.3; 3.1.1, 3.3) of which the bytes up to `stop` are there."""
        at = body + 2 + (read[body] << 8 | read[body + 1])
        name = read[body + 2 : at]
        topic = self._topics.get(name) or self._topic(name)
        packet = 0
        if head & 6:
            packet = read[at] << 8 | read[at + 1]
            at += 2
        if self._properties:
            length, size = read[at], 1
            if length & _MORE:
                length, size = _length(read, at)
            at += size + length
        if at > stop:
            raise ValueError("PUBLISH is shorter than it says")
        return Arrival(head, packet, topic, read[at:stop], missing)

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
        if not byte & _MORE:
            return length, size + 1
    raise ValueError("a length has more than four bytes")
