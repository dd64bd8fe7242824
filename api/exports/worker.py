"""The loop behind the exports of one process: claims a job, does it, and deletes what has nothing more to give."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from api.exports import job
from api.exports.place import Place
from api.stopping import stopped
from fieldlab.errors import Unavailable
from fieldlab.ownership.access import End
from fieldlab.storage import export_jobs
from fieldlab.storage.pool import Pool

_log: Final = logging.getLogger("fieldlab.api")

_LOOK: Final = 2.0
"""Seconds between two looks for jobs that another process left."""

_TIDY: Final = 15.0
"""Seconds between two looks for packages that are over, or not to be had any more."""


class Worker:
    """Does one job at a time; `wake` it when there is one. `tell` hears how accesses ended.

    `running` is how many it does at the moment, `ended` how many it has worked on.
    """

    def __init__(self, engine: AsyncEngine, pool: Pool, place: Place, tell: Callable[[End], None]) -> None:
        self._engine = engine
        self._pool = pool
        self._tell = tell
        self.place = place
        self.running = 0
        self.ended = 0
        self._called = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()

    def wake(self) -> None:
        """Look for a job now."""
        self._called.set()

    def pause(self) -> None:
        """Begin no further job."""
        self._going.clear()

    def resume(self) -> None:
        """Go on with jobs."""
        self._going.set()

    async def work(self) -> None:
        """Go on for ever."""
        while True:
            await self._going.wait()
            try:
                while self._going.is_set() and await self._one():
                    pass
            except Unavailable:
                _log.warning("exports wait: the database cannot be reached")
            except Exception:  # noqa: BLE001 - whatever it is, the loop goes on
                _log.exception("exports stumbled")
            self._called.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):  # `wait_for` may lose a cancellation
                    await self._called.wait()

    async def tidy(self) -> None:
        """Go on for ever."""
        while True:
            try:
                await self.tidied()
            except Unavailable:
                _log.warning("exports are not tidied up: the database cannot be reached")
            except Exception:  # noqa: BLE001 - whatever it is, the loop goes on
                _log.exception("exports are not tidied up")
            await asyncio.sleep(_TIDY)

    async def tidied(self) -> None:
        """Delete what has nothing more to give."""
        tickets = await asyncio.to_thread(self.place.tickets, settled=True)
        if not tickets:
            return
        spent = await export_jobs.spent(self._engine, tickets.values())
        for id_, ticket in tickets.items():
            if ticket in spent:
                await asyncio.to_thread(self.place.remove, id_)

    async def _one(self) -> bool:
        tickets = await asyncio.to_thread(self.place.tickets)
        claimed = await export_jobs.claim(self._engine, tickets.values()) if tickets else None
        if claimed is not None:
            self.running = 1
            try:
                await job.run(self._engine, self._pool, self.place, claimed, self._tell)
            finally:
                self.running = 0
                self.ended += 1
        return claimed is not None


@asynccontextmanager
async def working(engine: AsyncEngine, pool: Pool, place: Place, tell: Callable[[End], None]) -> AsyncIterator[Worker]:
    """Have a worker at work, stopped at the end; a job that is not done then is done by whoever starts next."""
    worker = Worker(engine, pool, place, tell)
    tasks = [asyncio.create_task(worker.work()), asyncio.create_task(worker.tidy())]
    try:
        yield worker
    finally:
        await stopped(*tasks)
