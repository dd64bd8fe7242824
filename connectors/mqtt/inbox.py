"""Messages between the wire and the gateway: bounded, because beyond the bound the wire stops reading."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from connectors.mqtt.packet import Arrival
from connectors.mqtt.wire import Wire
from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import Instant

MOST_BYTES: Final = 64 * 1024 * 1024


class Waiting(NamedTuple):
    """A message and the connection that it came over, which alone can be told that it is safe."""

    wire: Wire
    arrival: Arrival
    received_at: Instant


class Inbox:
    """What was received and is not yet safe: at most `most` messages or 64 MiB, and what one read may add to that."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._waiting: deque[Waiting | Gap] = deque()
        self._some = asyncio.Event()
        self._held = 0
        self._bytes = 0
        self._paused: Wire | None = None
        self.heard: Instant | None = None

    def put(self, wire: Wire, arrivals: list[Arrival], now: Instant) -> None:
        """Take what one read brought; each message gets a receipt time of its own, later than all before."""
        at = now if self.heard is None else max(now, self.heard + 1)
        self._waiting.extend(Waiting(wire, one, Instant(at + i)) for i, one in enumerate(arrivals))
        self.heard = Instant(at + len(arrivals) - 1)
        self._held += len(arrivals)
        self._bytes += sum(len(one.payload) for one in arrivals)
        self._some.set()
        if self._full():
            self._paused = wire
            wire.pause()

    def put_now(self, wire: Wire, arrivals: list[Arrival]) -> None:
        """Take what one read brought at this moment."""
        self.put(wire, arrivals, Instant.now())

    def note(self, gap: Gap) -> None:
        """Let a gap wait in line with the messages."""
        self._waiting.append(gap)
        self._some.set()

    async def take(self, most: int) -> tuple[list[Waiting], list[Gap]]:
        """Wait for messages or gaps and give up to `most` of them, in order."""
        await self._some.wait()
        messages: list[Waiting] = []
        gaps: list[Gap] = []
        for _ in range(min(most, len(self._waiting))):
            one = self._waiting.popleft()
            if isinstance(one, Gap):
                gaps.append(one)
            else:
                messages.append(one)
        if not self._waiting:
            self._some.clear()
        return messages, gaps

    def release(self, messages: list[Waiting]) -> None:
        """Forget messages that are safe; the wire reads on when there is room."""
        self._held -= len(messages)
        self._bytes -= sum(len(one.arrival.payload) for one in messages)
        if self._paused is not None and not self._full():
            self._paused.resume()
            self._paused = None

    def _full(self) -> bool:
        return self._held > self._most or self._bytes > MOST_BYTES
