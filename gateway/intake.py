"""Where connectors leave their deliveries: a bounded queue, which makes them wait when it is full."""

import asyncio
from collections import deque
from dataclasses import dataclass

from fieldlab.ports import Delivery
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A delivery, where it came from, and when."""

    source: int
    received_at: Instant
    delivery: Delivery

    @property
    def size(self) -> int:
        """Count what must find a fate: samples and rejects."""
        return len(self.delivery.samples) + len(self.delivery.rejects)


class Intake:
    """Deliveries of all sources in the order of their arrival; at most `capacity` samples, or one delivery."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._arrivals: deque[Arrival] = deque()
        self._size = 0
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def empty(self) -> bool:
        """Tell whether nothing waits to be taken."""
        return not self._arrivals

    async def put(self, arrival: Arrival) -> None:
        """Leave an arrival; returns when there is room for it, and never once the intake is closed."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._closed and (not self._arrivals or self._size + arrival.size <= self._capacity)
            )
            self._arrivals.append(arrival)
            self._size += arrival.size
            self._changed.notify_all()

    async def take(self, most: int) -> list[Arrival]:
        """Wait for an arrival, and take what has arrived up to `most` samples, but one arrival at least.

        Gives nothing when the intake is closed and empty.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._arrivals or self._closed)
            taken: list[Arrival] = []
            size = 0
            while self._arrivals and (not taken or size + self._arrivals[0].size <= most):
                arrival = self._arrivals.popleft()
                size += arrival.size
                taken.append(arrival)
            self._size -= size
            self._changed.notify_all()
            return taken

    async def close(self) -> None:
        """Take nothing in any more: who puts, waits until it is cancelled."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
