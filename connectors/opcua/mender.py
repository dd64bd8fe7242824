"""Fetches from a server's history what was missed: the newest first, page by page, never faster than half the time."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from connectors.opcua.address import Address
from connectors.opcua.archive import PAGE, Archive, Page, Refused
from connectors.opcua.decode import Reading, decode
from connectors.opcua.hole import Hole, Holes
from connectors.opcua.interpreter import Interpreter
from connectors.opcua.session import Session
from connectors.opcua.wanted import Wanted
from fieldlab.ports import Delivery
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Origin
from fieldlab.readings.samples import Samples

TRIES: Final = (1.0, 10.0, 60.0)
"""Seconds to wait for a history that has not caught up with the present, before it is left alone."""

_LOOK_EVERY: Final = 0.25
_PAUSE: Final = 0.05
_DAY: Final = 86_400 * SECOND

_log = logging.getLogger(__name__)


class Mender:
    """Works on the holes of a source while a session stands; what is left goes on with the next."""

    def __init__(
        self,
        session: Session,
        interpreter: Interpreter,
        holes: Holes,
        waiting: asyncio.Queue[Delivery],
        *,
        slug: str,
        asked: Callable[[], Wanted],
    ) -> None:
        self._archive = Archive(session, interpreter)
        self._holes = holes
        self._waiting = waiting
        self._slug = slug
        self._keeps: dict[str, bool] = {}
        self._told: set[str] = set()
        self._asked = asked

    @property
    def wanted(self) -> Wanted:
        """Give what the server was asked for."""
        return self._asked()

    async def mend(self) -> None:
        """Work until cancelled; raises Unavailable when the connection fails."""
        while True:
            asked = bool(self.wanted.nodes)  # before that it is not known which nodes there are
            hole = self._holes.newest(time.monotonic()) if asked else None
            if hole is None:
                await asyncio.sleep(_LOOK_EVERY)
                continue
            began = time.monotonic()
            await self._work(hole)
            await asyncio.sleep(max(_PAUSE, time.monotonic() - began))

    async def _work(self, hole: Hole) -> None:
        """Ask for one page of some nodes of a hole, and hand it over."""
        self._holes.keep(self.wanted.nodes)
        texts = await self._keeping(hole, hole.next(time.monotonic(), most=self._archive.nodes))
        present = dict(zip(texts, await self._archive.present(self._nodes(texts).values()), strict=True))
        edges: dict[str, Instant] = {}
        for text, now in present.items():
            last = hole.nodes[text].last
            if now is None:
                self._leave(hole, text, "it does not say when its value was measured")
            elif last is not None and now <= last:
                await self._close(hole, text)
            else:
                edges[text] = hole.edge(text, now)
        if not edges:
            return
        try:
            await self._read(hole, edges, latest=max(now for now in present.values() if now is not None))
        except Refused as refusal:
            if len(edges) > 1:
                self._archive.nodes = len(edges) // 2
            else:
                self._leave(hole, next(iter(edges)), str(refusal))

    async def _keeping(self, hole: Hole, texts: Sequence[str]) -> list[str]:
        """Give the nodes that keep a history; the hole of the others stays as it is."""
        new = [text for text in texts if text not in self._keeps]
        if new:
            self._keeps |= dict(zip(new, await self._archive.keeps(self._nodes(new).values()), strict=True))
        for text in texts:
            if not self._keeps[text]:
                del hole.nodes[text]
        return [text for text in texts if self._keeps[text]]

    async def _read(self, hole: Hole, edges: Mapping[str, Instant], *, latest: Instant) -> None:
        most = max(2, PAGE // len(edges))
        start = min(hole.nodes[text].reached for text in edges)
        pages = await self._archive.read(self._nodes(edges), start, max(start, *edges.values()), most=most)
        ended: list[str] = []
        exhausted: list[str] = []
        for (text, edge), page in zip(edges.items(), pages, strict=True):
            if page.fault:
                self._leave(hole, text, page.fault)
            elif await self._take(hole, text, page, edge):
                ended.append(text)
            elif not page.more:
                exhausted.append(text)
        beyond = await self._beyond(hole, [text for text in exhausted if edges[text] == hole.until], latest)
        ended += beyond
        for text in exhausted:
            if text not in beyond:
                self._wait(hole, text)
        await self._end(hole, ended)

    async def _end(self, hole: Hole, ended: Sequence[str]) -> None:
        """Close the hole for nodes whose history was read to its end, where it also goes back to before it."""
        loose = [text for text in ended if not hole.nodes[text].rooted]
        if loose:
            earliest = min(hole.nodes[text].last or hole.start for text in loose)
            before = await self._archive.read(self._nodes(loose), earliest, Instant(earliest - _DAY), most=1)
            for text, page in zip(loose, before, strict=True):
                hole.nodes[text].rooted = bool(page.readings)
        for text in ended:
            if hole.nodes[text].rooted:
                await self._close(hole, text)
            else:
                self._leave(hole, text, "its history does not go back to what was heard last")

    async def _beyond(self, hole: Hole, texts: Sequence[str], latest: Instant) -> list[str]:
        """Tell which histories go on behind a hole, so that what they hold of it is all that there was."""
        if not texts or latest <= hole.until:
            return []
        after = await self._archive.read(self._nodes(texts), hole.until, latest, most=1)
        return [text for text, page in zip(texts, after, strict=True) if page.readings]

    async def _take(self, hole: Hole, text: str, page: Page, edge: Instant) -> bool:
        """Hand over what was missed of a page; tell whether the page reaches to the edge."""
        missed, times = hole.nodes[text], [_time(reading) for reading in page.readings]
        missed.rooted |= missed.last is not None and any(time <= missed.last for time in times)
        new = [reading for reading, time in zip(page.readings, times, strict=True) if hole.is_missing(text, time)]
        if new:
            now = Instant.now()
            decoded = decode(new, now, last={}, since=now)
            samples = replace(decoded.samples, origins=[one | Origin.HISTORY for one in decoded.samples.origins])
            await self._waiting.put(Delivery(samples=samples, rejects=tuple(decoded.rejects)))
            for address, many in Counter(samples.addresses).items():
                missed.recovered[address] = missed.recovered.get(address, 0) + many
        newest = max(times, default=missed.reached)
        if newest > missed.reached:
            missed.reached, missed.tries = newest, 0
        return newest >= edge

    async def _close(self, hole: Hole, text: str) -> None:
        gaps = hole.closed(text, self.wanted.addresses[text])
        if gaps:
            await self._waiting.put(Delivery(samples=Samples(), gaps=tuple(gaps)))

    def _wait(self, hole: Hole, text: str) -> None:
        """Give a history time to catch up with the present, a few times."""
        missed = hole.nodes[text]
        if missed.tries < len(TRIES):
            missed.due = time.monotonic() + TRIES[missed.tries]
            missed.tries += 1
        else:
            self._leave(hole, text, "its history does not hold what was heard next")

    def _leave(self, hole: Hole, text: str, why: str) -> None:
        """Let a hole be."""
        del hole.nodes[text]
        if why not in self._told:
            self._told.add(why)
            _log.warning(
                "Source %s: what was missed of %s (and maybe others) stays missing: %s.", self._slug, text, why
            )

    def _nodes(self, texts: Iterable[str]) -> dict[str, Address]:
        return {text: self.wanted.nodes[text] for text in texts}


def _time(reading: Reading) -> Instant:
    time = reading.source_time or reading.server_time
    return Instant(0) if time is None else Instant.of(time)
