"""Moves what is in the spool into the database, batch by batch, in order, and takes it off the spool afterwards."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from connectors.backoff import Backoff
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.batch import Batch, Outcome, Plan, plan
from fieldlab.storage.bindings import EMPTY, Catalogue
from fieldlab.storage.write import Writer
from gateway.backlog import Backlogs
from gateway.batches import accounts, bound
from gateway.discoveries import Discoveries
from gateway.intake import Intake, Spooled
from gateway.limits import Limits
from gateway.outage import Outage
from gateway.record import spoilt
from gateway.tally import Tallies

_log: Final = logging.getLogger(__name__)

_TRIM_EVERY: Final = 1.0
_TURN: Final = 0.1
"""Seconds for which the write thread goes from batch to batch by itself; then it is there for other work."""

_FOLD_EVERY: Final = 60.0
_EXPIRE_EVERY: Final = 60.0

_AHEAD: Final = 3
"""Batches that are planned and not written: one is being written, the others are there when it is done."""

T = TypeVar("T")


class Pump:
    """Takes from the intake, binds, writes, trims.

    While one batch is written the next ones are planned; nothing lingers for a batch to fill. What the database does
    not take now is tried again for ever. `spool_thread` works on the spool and `write_thread` on the database: it goes
    from batch to batch without the event loop, which has the connectors to serve. What takes computing alone, and no
    waiting, stays on the event loop: Python computes in one thread at a time, and hands over slowly.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        discoveries: Discoveries,
        writer: Writer,
        tallies: Tallies,
        outage: Outage,
        limits: Limits,
        spool_thread: Executor,
        write_thread: Executor,
    ) -> None:
        self._intake = intake
        self._discoveries = discoveries
        self._writer = writer
        self._tallies = tallies
        self._outage = outage
        self._limits = limits
        self._spool_thread = spool_thread
        self._write_thread = write_thread
        self._ready: deque[Plan] = deque()
        self._changed = asyncio.Event()
        self._ended = False
        self._catalogue = EMPTY
        self._written = 0
        self._trimmed = 0
        self._begun = False
        self._backlogs = Backlogs(tallies)

    @property
    def written(self) -> int:
        """Give the number of the newest record that the database has."""
        return self._written

    async def bind(self, catalogue: Catalogue) -> None:
        """Bind by this catalogue from now on; what is held at addresses that it binds is written too."""
        self._catalogue = catalogue
        await self._put_back(lambda: self._discoveries.release(catalogue, written=self._written))

    async def run(self) -> None:
        """Pump until the intake is closed and everything is written."""
        self._written = await self._insist(self._writer.written)
        settled = await self._on_spool(lambda: self._discoveries.begin(written=self._written))
        for source, size in settled.items():
            self._tallies.of(source).received -= size
        self._intake.resume(after=self._written)
        self._begun = True
        await self.bind(self._catalogue)
        loop = asyncio.get_running_loop()
        chores, planning = asyncio.create_task(self._chores()), asyncio.create_task(self._plan_ahead())
        planning.add_done_callback(lambda _: self._changed.set())
        try:
            while await self._some_ready(planning):
                await self._insist(partial(self._write_ready, loop))
                if self._discoveries.owes(self._catalogue):
                    await self.bind(self._catalogue)
        finally:
            self._ended = True
            for task in (chores, planning):
                task.cancel()
            await asyncio.wait({chores, planning})
            await self._tidy()

    async def _plan_ahead(self) -> None:
        """Plan batches until the intake is closed and gives no more, as many as may wait."""
        while taken := await self._intake.take(self._limits.batch):
            self._ready.append(await self._plan(taken, self._catalogue))
            self._changed.set()
            while len(self._ready) >= _AHEAD:
                await self._change()

    async def _some_ready(self, planning: asyncio.Task[None]) -> bool:
        """Wait for a planned batch; tells whether there is one, or raises what kept it from being planned."""
        while not self._ready and not planning.done():
            await self._change()
        if planning.done():
            planning.result()
        return bool(self._ready)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _plan(self, taken: Sequence[Spooled], catalogue: Catalogue) -> Plan:
        """Bind what was taken, hold what is not bound, and plan the writing of the rest.

        A record that nobody thought of becomes a reject; it must not stop the others.
        """
        try:
            return await self._planned(taken, catalogue)
        except Exception:  # noqa: BLE001 - whatever it is, the records behind it must be written
            _log.exception("some of %d records cannot be worked on; they become rejects", len(taken))
        kept = [one if self._sound(one, catalogue) else replace(one, record=spoilt(one.record)) for one in taken]
        return await self._planned(kept, catalogue)

    async def _planned(self, taken: Sequence[Spooled], catalogue: Catalogue) -> Plan:
        batch, unbound = bound(taken, catalogue, discipline=self._limits.discipline)
        planned = plan(batch)
        if not unbound:
            return planned
        refusals = await self._on_spool(lambda: self._discoveries.hold(unbound, batch=batch.last))
        return plan(replace(batch, refusals=(*batch.refusals, *refusals))) if refusals else planned

    def _sound(self, one: Spooled, catalogue: Catalogue) -> bool:
        try:
            plan(bound([one], catalogue, discipline=self._limits.discipline)[0])
        except Exception:  # noqa: BLE001 - whatever it is, it is kept
            return False
        return True

    def _write_ready(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what is planned, batch by batch, for one turn; the event loop settles each when it comes to it."""
        until = time.monotonic() + _TURN
        while self._ready and not self._ended:
            planned = self._ready[0]
            backlog = self._backlogs.behind(planned.batch, more=len(self._ready) > 1 or self._intake.behind)
            outcome = self._writer.write(planned, backlog)
            self._backlogs.written(planned.batch, backlog)
            self._ready.popleft()
            loop.call_soon_threadsafe(partial(self._settle, planned.batch, outcome))
            if time.monotonic() >= until:
                return

    def _settle(self, batch: Batch, outcome: Outcome) -> None:
        self._written = batch.last
        for source, account in accounts(batch, outcome).items():
            tally = self._tallies.of(source)
            tally.written(batch.received_at)
            tally.stored += account.stored
            tally.duplicates += account.duplicates
            tally.rejected.update(account.rejected)
            if account.newest is not None and (tally.newest is None or account.newest > tally.newest):
                tally.newest = account.newest
        self._changed.set()

    async def _chores(self) -> None:
        """Trim, note discoveries, fold accounts and let go of what was held too long, from time to time.

        One of them that fails keeps nothing else from being done, and is tried again.
        """
        loop = asyncio.get_running_loop()
        fold = expire = loop.time()
        while True:
            await asyncio.sleep(_TRIM_EVERY)
            with _forgiven("trim the spool and note discoveries"):
                await self._tidy()
            if loop.time() >= expire:
                expire = loop.time() + _EXPIRE_EVERY
                with _forgiven("let go of what was held too long"):
                    await self._put_back(lambda: self._discoveries.expire(now=Instant.now(), written=self._written))
            if loop.time() >= fold:
                fold = loop.time() + _FOLD_EVERY
                with _forgiven("fold the accounts"):
                    await self._on_database(self._writer.fold_accounts)

    async def _tidy(self) -> None:
        """Trim what is written, and note what was discovered."""
        if self._trimmed < self._written:
            until = self._written
            if await self._intake.trim(until=until):
                self._trimmed = until
        if self._outage.since is None and (
            noted := await self._on_spool(lambda: self._discoveries.noted(self._catalogue))
        ):
            await self._on_database(lambda: self._writer.note(noted, most=self._limits.discoveries))

    async def _put_back(self, step: Callable[[], int]) -> None:
        """Let a step put records into the spool, once it is known what is written."""
        if not self._begun:
            return
        last = await self._on_spool(step)
        if last:
            await self._intake.appended(last)

    async def _insist(self, work: Callable[[], T]) -> T:
        """Do work on the database, for ever until it succeeds."""
        waits = Backoff()
        while True:
            try:
                done = await asyncio.get_running_loop().run_in_executor(self._write_thread, work)
            except Unavailable as error:
                self._outage.begins(error, now=Instant.now())
                await asyncio.sleep(waits.pause())
            else:
                self._outage.ends(now=Instant.now())
                return done

    async def _on_database(self, work: Callable[[], None]) -> None:
        """Do work on the database that may as well not be done."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._write_thread, work)
        except Unavailable as error:
            _log.warning("%s Left for later.", error)

    async def _on_spool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._spool_thread, work)


@contextmanager
def _forgiven(what: str) -> Iterator[None]:
    """Log what goes wrong in a chore, whatever it is: without chores the spool fills up, and nobody would know why."""
    try:
        yield
    except Exception:  # noqa: BLE001 - the next chores must be done
        _log.exception("the gateway could not %s; it will try again", what)
