"""Keeps the gateway to the catalogue: which sources run, which addresses are bound; and to its rights."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy.exc import OperationalError

from connectors.backoff import Backoff
from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding, Source, Wire
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.bindings import Catalogue, catalogues
from fieldlab.storage.database import open_engine
from fieldlab.storage.rights import ProcessRole, check
from fieldlab.storage.spool import Spool
from gateway.outage import Outage
from gateway.pump import Pump
from gateway.sources import Sources

_NOTE: Final = "catalogue"

T = TypeVar("T")


class Guide:
    """Follows the catalogue for ever. While the database is away at the start, the last one known is followed."""

    def __init__(
        self,
        *,
        url: str,
        spool: Spool,
        spool_thread: Executor,
        pump: Pump,
        sources: Sources,
        outage: Outage,
        started: Callable[[], None],
    ) -> None:
        self._url = url
        self._spool = spool
        self._spool_thread = spool_thread
        self._pump = pump
        self._sources = sources
        self._outage = outage
        self._started: Callable[[], None] | None = started
        self.guided = asyncio.Event()
        """Set once the rights are held against what a gateway needs, and the database's catalogue is followed.

        Nothing may be written before: a gap concerns the streams that are bound when it is written.
        """

    async def run(self) -> None:
        """Hold the process's rights against what a gateway needs, and follow the catalogue.

        Raises ExcessRights.
        """
        await self._admit()
        waits = Backoff()
        while True:
            try:
                async with contextlib.aclosing(catalogues(self._url)) as changes:
                    async for catalogue in changes:
                        waits.reset()
                        self._outage.ends(now=Instant.now())
                        await self._follow(catalogue)
                        self.guided.set()
                        await self._on_spool(partial(self._keep, catalogue))
            except Unavailable as error:
                self._outage.begins(error, now=Instant.now())
                await asyncio.sleep(waits.pause())

    async def _admit(self) -> None:
        waits = Backoff()
        while True:
            try:
                await asyncio.to_thread(_check, self._url)
            except OperationalError as error:
                self._outage.begins(Unavailable(f"The database cannot be reached: {error.orig}."), now=Instant.now())
                if self._started and (known := await self._on_spool(self._known)):
                    await self._follow(known)
                await asyncio.sleep(waits.pause())
            else:
                self._outage.ends(now=Instant.now())
                return

    async def _follow(self, catalogue: Catalogue) -> None:
        await self._pump.bind(catalogue)
        await self._sources.follow(catalogue)
        started, self._started = self._started, None
        if started:
            started()

    def _known(self) -> Catalogue | None:
        text = self._spool.note(_NOTE)
        return None if text is None else _read(json.loads(text))

    def _keep(self, catalogue: Catalogue) -> None:
        with contextlib.suppress(Unavailable):  # the disk is full; an older one serves as well
            self._spool.keep(_NOTE, json.dumps(_words(catalogue), separators=(",", ":")))

    async def _on_spool(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._spool_thread, work)


def _check(url: str) -> None:
    engine = open_engine(url, name="fieldlab gateway")
    try:
        with engine.connect() as connection:
            check(connection, ProcessRole.GATEWAY)
    finally:
        engine.dispose()


def _words(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "sources": [[s.id, s.slug, s.wire.value, s.url, dict(s.options)] for s in catalogue.sources.values()],
        "bindings": {
            source: [[b.address, b.stream, b.kind.value, b.origin, b.lateness] for b in bindings.values()]
            for source, bindings in catalogue.bindings.items()
        },
    }


def _read(words: dict[str, Any]) -> Catalogue:
    return Catalogue(
        sources={
            id_: Source(id=id_, slug=slug, wire=Wire(wire), url=url, options=options)
            for id_, slug, wire, url, options in words["sources"]
        },
        bindings={
            int(source): {
                address: Binding(address=address, stream=stream, kind=Kind(kind), origin=origin, lateness=lateness)
                for address, stream, kind, origin, lateness in bindings
            }
            for source, bindings in words["bindings"].items()
        },
    )
