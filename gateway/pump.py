"""Moves what is in the spool into the database, batch by batch, in order, and takes it off the spool afterwards."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Final, TypeVar

from connectors.backoff import Backoff
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.batch import Backlog, Batch, Outcome, Plan, plan
from fieldlab.storage.bindings import EMPTY, Catalogue
from fieldlab.storage.write import Writer
from gateway.batches import accounts, bound
from gateway.discoveries import Discoveries
from gateway.intake import Intake, Spooled
from gateway.limits import Limits
from gateway.outage import Outage
from gateway.record import spoilt
from gateway.tally import Tallies

_log: Final = logging.getLogger(__name__)

_TRIM_EVERY: Final = 1.0
_REPORT_EVERY: Final = 1.0
_FOLD_EVERY: Final = 60.0
_EXPIRE_EVERY: Final = 60.0

T = TypeVar("T")


class Pump:
    """Takes from the intake, binds, writes, trims.

    While one batch is written the next is prepared; nothing lingers for a batch to fill. What the database does not
    take now is tried again for ever. `spool_thread` works on the spool, `write_thread` on the database.
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
        self._catalogue = EMPTY
        self._written = 0
        self._trimmed = 0
        self._begun = False
        self._report_at = 0.0
        self._reported: dict[int, int] = {}

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
        self._written = self._trimmed = await self._insist(self._writer.written)
        settled = await self._on_spool(lambda: self._discoveries.begin(written=self._written))
        for source, size in settled.items():
            self._tallies.of(source).received -= size
        self._intake.resume(after=self._written)
        self._begun = True
        await self.bind(self._catalogue)
        chores = asyncio.create_task(self._chores())
        try:
            following = asyncio.create_task(self._prepare())
            while planned := await following:
                following = asyncio.create_task(self._prepare())
                await self._write(planned)
        finally:
            chores.cancel()
            await asyncio.wait({chores})
            await self._tidy()

    async def _prepare(self) -> Plan | None:
        taken = await self._intake.take(self._limits.batch)
        if not taken:
            return None
        catalogue = self._catalogue
        return await self._on_spool(lambda: self._plan(taken, catalogue))

    def _plan(self, taken: Sequence[Spooled], catalogue: Catalogue) -> Plan:
        """Bind what was taken, hold what is not bound, and plan the writing of the rest.

        A record that nobody thought of becomes a reject; it must not stop the others.
        """
        try:
            return self._planned(taken, catalogue)
        except Exception:  # noqa: BLE001 - whatever it is, the records behind it must be written
            _log.exception("some of %d records cannot be worked on; they become rejects", len(taken))
        kept = [one if self._sound(one, catalogue) else replace(one, record=spoilt(one.record)) for one in taken]
        return self._planned(kept, catalogue)

    def _planned(self, taken: Sequence[Spooled], catalogue: Catalogue) -> Plan:
        batch, unbound = bound(taken, catalogue, discipline=self._limits.discipline)
        planned = plan(batch)
        if unbound and (refusals := self._discoveries.hold(unbound, batch=batch.last)):
            planned = plan(replace(batch, refusals=(*batch.refusals, *refusals)))
        return planned

    def _sound(self, one: Spooled, catalogue: Catalogue) -> bool:
        try:
            plan(bound([one], catalogue, discipline=self._limits.discipline)[0])
        except Exception:  # noqa: BLE001 - whatever it is, it is kept
            return False
        return True

    async def _write(self, planned: Plan) -> None:
        batch = planned.batch
        backlog: tuple[Backlog, ...] = ()

        def write() -> Outcome:
            nonlocal backlog
            backlog = self._backlog(batch)
            return self._writer.write(planned, backlog)

        outcome = await self._insist(write)
        self._written = batch.last
        if backlog:
            self._report_at = time.monotonic() + _REPORT_EVERY
            self._reported |= {one.source: one.samples for one in backlog}
        self._settle(batch, outcome)
        if self._discoveries.owes(self._catalogue):
            await self.bind(self._catalogue)

    def _backlog(self, batch: Batch) -> tuple[Backlog, ...]:
        """Say what will wait behind the batch, for each source of which that is not known.

        It is said once a second, and at once when the batch is the last, or a source's last.
        """
        written = batch.rows.counts()
        for one in batch.refusals:
            written[one.source] = written.get(one.source, 0) + one.reject.samples
        left = {source: tally.waiting - written.get(source, 0) for source, tally in self._tallies.items()}
        news = {source: many for source, many in left.items() if many or self._reported.get(source) != 0}
        drained = any(not many for many in news.values())
        if self._intake.behind and not drained and time.monotonic() < self._report_at:
            return ()
        return tuple(
            Backlog(source=source, samples=many, oldest=batch.received_at if many else None)
            for source, many in news.items()
        )

    def _settle(self, batch: Batch, outcome: Outcome) -> None:
        for source, account in accounts(batch, outcome).items():
            tally = self._tallies.of(source)
            tally.written(batch.received_at)
            tally.stored += account.stored
            tally.duplicates += account.duplicates
            tally.rejected.update(account.rejected)
            if account.newest is not None and (tally.newest is None or account.newest > tally.newest):
                tally.newest = account.newest

    async def _chores(self) -> None:
        """Trim, note discoveries, fold accounts and let go of what was held too long, from time to time."""
        loop = asyncio.get_running_loop()
        fold = expire = loop.time()
        while True:
            await asyncio.sleep(_TRIM_EVERY)
            await self._tidy()
            if loop.time() >= expire:
                expire = loop.time() + _EXPIRE_EVERY
                await self._put_back(lambda: self._discoveries.expire(now=Instant.now(), written=self._written))
            if loop.time() >= fold:
                fold = loop.time() + _FOLD_EVERY
                await self._on_database(self._writer.fold_accounts)

    async def _tidy(self) -> None:
        """Trim what is written, and note what was discovered."""
        if self._trimmed < self._written:
            until = self._written
            await self._intake.trim(until=until)
            self._trimmed = until
        if self._outage.since is None and (
            noted := await self._on_spool(lambda: self._discoveries.noted(self._catalogue))
        ):
            await self._on_database(lambda: self._writer.note(noted, most=self._limits.discoveries))

    async def _put_back(self, step: Callable[[], int]) -> None:
        """Let a step put records into the spool, once it is known what is written."""
        if not self._begun:
            return
        try:
            last = await self._on_spool(step)
        except Unavailable:
            return  # the spool takes nothing now; the next change or minute tries again
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
