"""Messages between the wire and the gateway: bounded, because beyond the bound the wire stops reading."""

import asyncio
from collections import deque
from typing import Final

from connectors.mqtt.packet import Arrival
from connectors.mqtt.wire import Wire
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant

MOST_BYTES: Final = 64 * 1024 * 1024


class Waiting:
    """A message, when it was received, and the connection that shall be told once it is safe."""

    __slots__ = ("arrival", "received_at", "safe", "wire")

    def __init__(self, wire: Wire, arrival: Arrival, received_at: Instant) -> None:
        self.wire = wire
        self.arrival = arrival
        self.received_at = received_at
        self.safe = False


class Inbox:
    """What was received and is not yet safe: at most `most` messages or 64 MiB, and what one read may add to that.

    A message that comes again after the connection broke, because its acknowledgement did not get through, is known by
    its packet identifier and content, and is not handed over a second time.
    """

    def __init__(self, *, most: int, heard: Instant | None) -> None:
        """`heard` is when the latest message was received, if one ever was."""
        self.heard = heard
        self._missing_since: Instant | None = None
        self._most = most
        self._waiting: deque[Waiting | Gap] = deque()
        self._some = asyncio.Event()
        self._unanswered: dict[int, Waiting] = {}
        self._held = 0
        self._bytes = 0
        self._paused: Wire | None = None

    def put(self, wire: Wire, arrivals: list[Arrival]) -> None:
        """Take what one read brought; each message gets a receipt time of its own, later than all before."""
        now = Instant.now()
        at = now if self.heard is None else max(now, self.heard + 1)
        known: list[Arrival] = []
        for arrival in arrivals:
            if arrival.head & 8 and self._knows(wire, arrival, known):
                continue
            waiting = Waiting(wire, arrival, Instant(at))
            at += 1
            self._waiting.append(waiting)
            if arrival.packet:
                self._unanswered[arrival.packet] = waiting
            self._held += 1
            self._bytes += len(arrival.payload)
        self.heard = Instant(at - 1)
        if known:
            wire.answer(known)
        self._some.set()
        if self._full():
            self._paused = wire
            wire.pause()

    def forget_session(self) -> None:
        """Expect nothing again, because the broker has forgotten the session; until `resumed`, messages are missed."""
        self._unanswered.clear()
        self._missing_since = self._missing_since or self.heard

    def resumed(self, now: Instant) -> None:
        """Let a gap wait in line with the messages, if any were missed until now."""
        if self._missing_since is not None:
            until = max(now, Instant(self._missing_since + 1))
            self._waiting.append(Gap(start=self._missing_since, until=until, cause=Cause.SESSION_LOST))
            self._some.set()
            self._missing_since = None
        self.heard = self.heard or now

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
        """Acknowledge messages that are safe, in order; the wire reads on when there is room."""
        answers: list[Arrival] = []
        wire = messages[0].wire if messages else None
        for one in messages:
            if one.wire is not wire:
                self._answer(wire, answers)
                wire, answers = one.wire, []
            one.safe = True
            answers.append(one.arrival)
            self._bytes -= len(one.arrival.payload)
        self._answer(wire, answers)
        self._held -= len(messages)
        if self._paused is not None and not self._full():
            self._paused.resume()
            self._paused = None

    def _answer(self, wire: Wire | None, arrivals: list[Arrival]) -> None:
        """Acknowledge over the connection, if it still stands; else each is remembered in case it comes again."""
        if wire is not None and not wire.lost.done():
            wire.answer(arrivals)
            for arrival in arrivals:
                self._unanswered.pop(arrival.packet, None)

    def _knows(self, wire: Wire, arrival: Arrival, known: list[Arrival]) -> bool:
        """Tell whether a message is here already from a lost connection; if it is safe, it goes among the `known`."""
        before = self._unanswered.get(arrival.packet)
        if before is None or before.wire is wire or before.arrival[1:] != arrival[1:]:
            return False
        before.wire = wire
        if before.safe:
            del self._unanswered[arrival.packet]
            known.append(arrival)
        return True

    def _full(self) -> bool:
        return self._held > self._most or self._bytes > MOST_BYTES
