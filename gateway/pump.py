"""Moves what arrived into the database, batch by batch, and tells the sources when it is safe."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from connectors.backoff import Backoff
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.bindings import EMPTY, Catalogue
from fieldlab.storage.write import Batch, Outcome, Writer
from gateway.batches import accounts, batch_of
from gateway.intake import Arrival, Intake
from gateway.limits import Limits
from gateway.outage import Outage
from gateway.tally import Tallies

_log: Final = logging.getLogger(__name__)


class Pump:
    """Takes from the intake, binds, writes, and calls `safe` in the order of arrival.

    While one batch commits, the next collects in the intake; nothing lingers for a batch to fill. What the database
    does not take now is tried again for ever.
    """

    def __init__(self, *, intake: Intake, writer: Writer, tallies: Tallies, limits: Limits, outage: Outage) -> None:
        self._intake = intake
        self._writer = writer
        self._tallies = tallies
        self._limits = limits
        self._outage = outage
        self.catalogue: Catalogue = EMPTY

    async def run(self) -> None:
        """Pump until the intake is closed and empty."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fieldlab-write") as thread:
            while arrivals := await self._intake.take(self._limits.batch):
                batch = batch_of(arrivals, self.catalogue, discipline=self._limits.discipline)
                outcome = await self._persist(batch, thread)
                self._settle(arrivals, batch, outcome)

    async def _persist(self, batch: Batch, thread: ThreadPoolExecutor) -> Outcome:
        waits = Backoff()
        loop = asyncio.get_running_loop()
        while True:
            try:
                outcome = await loop.run_in_executor(thread, self._writer.write, batch)
            except Unavailable as error:
                self._outage.begins(error, now=Instant.now())
                await asyncio.sleep(waits.pause())
            else:
                self._outage.ends(now=Instant.now())
                return outcome

    def _settle(self, arrivals: Sequence[Arrival], batch: Batch, outcome: Outcome) -> None:
        for source, account in accounts(batch, outcome).items():
            tally = self._tallies.of(source)
            tally.stored += account.stored
            tally.duplicates += account.duplicates
            tally.rejected.update(account.rejected)
            if account.newest is not None and (tally.newest is None or account.newest > tally.newest):
                tally.newest = account.newest
        for arrival in arrivals:
            try:
                arrival.delivery.safe()
            except Exception:  # noqa: BLE001 - what is stored is stored; a source that cannot be told sends it again
                _log.exception("source %s could not be told that its samples are safe", arrival.source)
