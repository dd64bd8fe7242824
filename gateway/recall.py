"""Reminds connectors of gaps that earlier processes left open, so that what is missing is fetched after all."""

import asyncio
import logging
from typing import Final

from connectors.backoff import Backoff
from fieldlab.errors import Unavailable
from fieldlab.storage.open_gaps import open_gaps
from gateway.intake import Intake
from gateway.pump import Pump
from gateway.sources import Sources

_LOOK_EVERY: Final = 0.25

_log: Final = logging.getLogger(__name__)


class Recall:
    """Looks for open gaps whenever a connector is built: it knows nothing of what the one before it was mending."""

    def __init__(self, *, url: str, sources: Sources, intake: Intake, pump: Pump) -> None:
        self._url = url
        self._sources = sources
        self._intake = intake
        self._pump = pump

    async def run(self) -> None:
        """Work until cancelled."""
        waits = Backoff()
        while True:
            await self._sources.built.wait()
            self._sources.built.clear()
            mending = self._sources.mending()
            if not mending:
                continue
            await self._written()
            try:
                found = await asyncio.to_thread(open_gaps, self._url, mending)
            except Unavailable as error:
                _log.info("%s Later.", error)
                self._sources.built.set()
                await asyncio.sleep(waits.pause())
            else:
                waits.reset()
                self._sources.recall(found)

    async def _written(self) -> None:
        """Wait until the database has what is in the spool now: gaps may be among it, and samples that lie in them."""
        last = self._intake.last
        while self._pump.written < last:  # noqa: ASYNC110 - the pump counts, and tells nobody
            await asyncio.sleep(_LOOK_EVERY)
