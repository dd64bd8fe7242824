"""Where connectors leave their deliveries: into the spool by group commits, acknowledged, and out again in order."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from connectors.backoff import Backoff
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.spool import Entry, Spool
from gateway.arrival import Arrival, entry_of, readable, records_of
from gateway.limits import Limits
from gateway.record import Record

_log: Final = logging.getLogger(__name__)

_PATIENCE: Final = 0.25
"""Seconds between two looks at a full spool."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spooled:
    """A record with its number in the spool."""

    id: int
    record: Record


class Intake:
    """Takes deliveries of all sources, makes them safe, and gives them out in the order of their arrival.

    What is taken and not yet safe is bounded, and so is the spool; whoever leaves a delivery waits for room. `thread`
    is the one that works on the spool. `used` is how many bytes the spool takes on the disk, `fault` why it takes
    nothing at the moment.
    """

    def __init__(self, *, spool: Spool, thread: Executor, limits: Limits) -> None:
        self._spool = spool
        self._thread = thread
        self._limits = limits
        self._pending: deque[Arrival] = deque()
        self._unsafe_load = 0
        self._unsafe = 0
        self._recent: deque[Spooled] = deque()
        self._recent_load = 0
        self._taken = 0
        self._reach = 0
        self._last = spool.last
        self._closed = False
        self._changed = asyncio.Condition()
        self.used = spool.bytes()
        self.fault: str | None = None

    @property
    def last(self) -> int:
        """Give the number of the newest record in the spool."""
        return self._last

    @property
    def behind(self) -> bool:
        """Tell whether the spool holds records that were not given out yet."""
        return self._taken < self._last

    async def put(self, arrival: Arrival) -> None:
        """Leave an arrival; returns when there is room for it, and never once the intake is closed."""
        room = self._limits.pending
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._closed and (not self._unsafe or self._unsafe_load + arrival.load <= room)
            )
            self._pending.append(arrival)
            self._unsafe_load += arrival.load
            self._unsafe += 1
            self._changed.notify_all()

    async def close(self) -> None:
        """Take nothing in any more: who puts, waits until it is cancelled."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def run(self) -> None:
        """Make safe what arrives, until the intake is closed and nothing is pending."""
        loop, next_commit = asyncio.get_running_loop(), 0.0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._pending or self._closed)
            if not self._pending:
                return
            await self._gather(until=next_commit)
            await self._room()
            group = self._group()
            spooled = await self._append(group)
            next_commit = loop.time() + self._limits.linger
            for arrival in group:
                _tell(arrival)
            async with self._changed:
                self._remember(spooled)
                self._unsafe -= len(group)
                self._unsafe_load -= sum(arrival.load for arrival in group)
                self._changed.notify_all()

    async def take(self, most: int) -> list[Spooled]:
        """Wait for a record, and take those in the spool up to `most` samples, but one at least.

        Gives nothing when the intake is closed, and everything was given out.
        """
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self.behind or (self._closed and not self._unsafe))
            if not self.behind:
                return []
            if self._recent:
                taken = self._from_memory(most)
                self._taken = taken[-1].id
                return taken
            last, loop = self._last, asyncio.get_running_loop()
            taken = await loop.run_in_executor(self._thread, self._from_disk, self._taken, most)
            # a database that was restored remembers less than was taken off the spool: there is nothing up to `last`
            self._taken = self._reach = taken[-1].id if taken else last
            if taken:
                return taken

    def resume(self, *, after: int) -> None:
        """Begin to give out behind a record that the database has."""
        self._taken = self._reach = after
        self._last = max(self._last, after)
        self._recent.clear()
        self._recent_load = 0

    async def appended(self, last: int) -> None:
        """Note that records were put into the spool past the intake, up to this number."""
        async with self._changed:
            self._last = max(self._last, last)
            self._changed.notify_all()

    async def trim(self, *, until: int) -> bool:
        """Take records off the spool that the database has; tells whether the disk let them go."""
        loop = asyncio.get_running_loop()
        try:
            self.used = await loop.run_in_executor(self._thread, self._trim, until)
        except Unavailable as error:
            self._complain(str(error))
            return False
        return True

    async def _gather(self, *, until: float) -> None:
        """Wait for a group to fill, but not beyond a moment of the loop's clock."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until), self._changed:
                await self._changed.wait_for(lambda: self._unsafe_load >= self._limits.group)

    async def _room(self) -> None:
        """Wait until the spool is below its bound."""
        while self.used >= self._limits.spool:
            self._complain("The spool is full; the sources wait until the database has taken some of it.")
            await asyncio.sleep(_PATIENCE)

    def _group(self) -> list[Arrival]:
        group, load = list[Arrival](), 0
        while self._pending and (not group or load + self._pending[0].load <= self._limits.batch):
            load += self._pending[0].load
            group.append(self._pending.popleft())
        return group

    async def _append(self, group: Sequence[Arrival]) -> list[Spooled]:
        loop, waits = asyncio.get_running_loop(), Backoff(longest=5.0)
        records = [piece for record in records_of(group) for piece in record.pieces(self._limits.batch)]
        entries = [entry_of(record) for record in records]
        heard = {one.source: until for one in group if (until := one.delivery.heard_until) is not None}
        while True:
            try:
                ids, self.used = await loop.run_in_executor(self._thread, self._commit, entries, heard)
            except Unavailable as error:
                self._complain(f"{error} The sources wait.")
                await asyncio.sleep(waits.pause())
            else:
                if self.fault is not None:
                    _log.info("the spool takes samples again")
                    self.fault = None
                return [Spooled(id=id_, record=record) for id_, record in zip(ids, records, strict=True)]

    def _commit(self, entries: Sequence[Entry], heard: Mapping[int, Instant]) -> tuple[list[int], int]:
        return self._spool.append(entries, now=Instant.now(), heard=heard), self._spool.bytes()

    def _trim(self, until: int) -> int:
        self._spool.trim(until=until)
        return self._spool.bytes()

    def _remember(self, spooled: Sequence[Spooled]) -> None:
        """Keep records in memory too, unless there are too many, or older ones that are on the disk alone."""
        before, self._last = self._last, spooled[-1].id
        load = sum(one.record.load for one in spooled)
        if self._reach == before and self._recent_load + load <= self._limits.memory:
            self._recent.extend(spooled)
            self._recent_load += load
            self._reach = self._last

    def _from_memory(self, most: int) -> list[Spooled]:
        taken, load = list[Spooled](), 0
        while self._recent and (not taken or load + self._recent[0].record.load <= most):
            load += self._recent[0].record.load
            taken.append(self._recent.popleft())
        self._recent_load -= load
        return taken

    def _from_disk(self, after: int, most: int) -> list[Spooled]:
        entries = self._spool.read(after=after, size=most, most_bytes=self._limits.batch_bytes)
        return [Spooled(id=entry.id, record=readable(entry)) for entry in entries]

    def _complain(self, fault: str) -> None:
        if self.fault is None:
            _log.warning("%s", fault)
        self.fault = fault


def _tell(arrival: Arrival) -> None:
    try:
        arrival.delivery.safe()
    except Exception:  # noqa: BLE001 - what is safe is safe; a source that cannot be told sends it again
        _log.exception("source %s could not be told that its samples are safe", arrival.source)
