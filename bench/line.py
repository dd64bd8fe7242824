"""The gateway's line from delivery to table, without sources: what the ingest figures are measured on."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from fieldlab.assets.source import Binding
from fieldlab.ports import Delivery
from fieldlab.readings.instant import Instant
from fieldlab.readings.samples import Samples
from fieldlab.storage.bindings import Catalogue
from fieldlab.storage.spool import Spool
from fieldlab.storage.write import Writer
from gateway.arrival import Arrival, entry_of
from gateway.descriptions import Descriptions
from gateway.discoveries import Discoveries
from gateway.intake import Intake
from gateway.limits import Limits
from gateway.outage import Outage
from gateway.pump import Pump
from gateway.record import Record
from gateway.tally import Tallies

SOURCE = 1


class Line:
    """Spool, intake, pump and writer, as the gateway puts them together."""

    def __init__(
        self, url: str, directory: Path, bindings: dict[str, Binding], *, limits: Limits | None = None
    ) -> None:
        self._url = url
        self._directory = directory
        self._catalogue = Catalogue(sources={}, bindings={SOURCE: bindings})
        self._limits = limits or Limits()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.tallies = Tallies()

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_context
        self.spool = enter(Spool(self._directory))
        spooling, writing = (enter(ThreadPoolExecutor(max_workers=1)) for _ in range(2))
        self._intake = Intake(spool=self.spool, thread=spooling, limits=self._limits)
        writer = enter(Writer(self._url, spool=self.spool.name()))
        writer.written()
        self._pump = Pump(
            intake=self._intake,
            discoveries=Discoveries(
                spool=self.spool, limits=self._limits, descriptions=Descriptions(most=self._limits.discoveries)
            ),
            writer=writer,
            tallies=self.tallies,
            outage=Outage(),
            limits=self._limits,
            spool_thread=spooling,
            write_thread=writing,
        )
        await self._pump.bind(self._catalogue)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._intake.close()
        await asyncio.gather(*self._tasks)
        await self._stack.aclose()

    def fill(self, samples: Iterable[Samples]) -> None:
        """Put samples into the spool, one record each, as an outage leaves them."""
        now = Instant.now()
        for one in samples:
            record = Record.of([one], rejects=(), gaps=(), source=SOURCE, received_at=now)
            self.spool.append([entry_of(record)], now=now)
            self.tallies.of(SOURCE).received += record.size

    async def start(self) -> None:
        """Begin to take and to write."""
        await self._intake.appended(self.spool.last)
        self._tasks = [asyncio.create_task(self._intake.run()), asyncio.create_task(self._pump.run())]

    async def deliver(self, samples: Samples) -> None:
        """Hand over as a connector does."""
        await self._intake.put(Arrival(source=SOURCE, received_at=Instant.now(), delivery=Delivery(samples=samples)))
        self.tallies.of(SOURCE).received += len(samples)

    async def drained(self) -> None:
        """Wait until nothing waits."""
        while self.tallies.of(SOURCE).waiting:  # noqa: ASYNC110 - the gateway counts, and tells nobody
            await asyncio.sleep(0.0005)
