"""One who listens: a short queue, and a count of what did not fit into it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.live.event import Event, Kind
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import FOREVER, NEVER, Instant

MOST_ROWS: Final = 10_000
"""Samples that wait for a slow reader, at most; those beyond are counted and not kept."""

MOST_EVENTS: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """What a slow reader did not get: so many samples, measured in `[start, until)`, up to a position."""

    samples: int = 0
    start: Instant = FOREVER
    until: Instant = NEVER
    position: str | None = None

    def plus(self, event: Event) -> "Missed":
        """Count an event that did not fit."""
        return Missed(
            samples=self.samples + event.rows,
            start=min(self.start, FOREVER if event.start is None else event.start),
            until=max(self.until, NEVER if event.until is None else event.until),
            position=event.position or self.position,
        )


class Reader:
    """Takes events as they come and gives them as fast as they are taken.

    `told` writes what was missed: the events that come before those that fit again. `credential` is what it holds.
    """

    def __init__(
        self, told: Callable[[Missed], list[Event]], *, credential: Credential, most_rows: int = MOST_ROWS
    ) -> None:
        self.credential: Final = credential
        self._told = told
        self._most_rows = most_rows
        self._queue: deque[Event] = deque()
        self._rows = 0
        self._missed: Missed | None = None
        self._something = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Keep an event, or count it where there is no room; the last event takes the place of all others."""
        if event.kind is Kind.END:
            self._queue.clear()
            self._rows, self._missed = 0, None
        elif self._missed is not None:
            self._missed = self._missed.plus(event)
            return
        elif self._rows + event.rows > self._most_rows or len(self._queue) >= MOST_EVENTS:
            self._missed = Missed().plus(event)
            return
        self._queue.append(event)
        self._rows += event.rows
        self._something.set()

    async def next(self, *, patience: float) -> Event | None:
        """Give the next event, or None if there is none within so many seconds."""
        if not self._queue and self._missed is not None:
            missed, self._missed = self._missed, None
            self._queue.extend(self._told(missed))
        if not self._queue:
            self._something.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._something.wait()
            except TimeoutError:
                return None
        event = self._queue.popleft()
        self._rows -= event.rows
        return event
