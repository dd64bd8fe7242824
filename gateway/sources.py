"""Keeps one connector running for each source of the catalogue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from connectors.backoff import Backoff
from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings
from fieldlab.ports import Connector, Delivery, Mending
from fieldlab.readings.gap import OpenGap
from fieldlab.readings.instant import Instant
from fieldlab.storage.bindings import Catalogue
from gateway.arrival import Arrival
from gateway.descriptions import Descriptions
from gateway.intake import Intake
from gateway.tally import State, Tallies

_log: Final = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 60.0
"""The most seconds between two looks at a configuration that was wrong: a file may be there meanwhile."""

Connect = Callable[[Source, Instant | None], Connector]
"""Builds the connector of a source; the instant is until when the source was heard, if it ever was."""


@dataclass(kw_only=True, slots=True)
class _Running:
    source: Source
    addresses: frozenset[str]
    connector: Connector | None = None
    task: asyncio.Task[None] | None = None


class Sources:
    """The connectors that run. One that is misconfigured, or fails, leaves the others alone."""

    def __init__(self, *, connect: Connect, intake: Intake, tallies: Tallies, descriptions: Descriptions) -> None:
        self._connect = connect
        self._intake = intake
        self._tallies = tallies
        self._descriptions = descriptions
        self._running: dict[int, _Running] = {}
        self.built = asyncio.Event()
        """Set when a connector was built."""

    def mending(self) -> list[int]:
        """Give the sources whose connectors can fetch what was missed."""
        return [id_ for id_, running in self._running.items() if _mending(running.connector) is not None]

    def recall(self, gaps: Mapping[int, Iterable[OpenGap]]) -> None:
        """Tell connectors which gaps of their sources are open."""
        for id_, running in self._running.items():
            connector = _mending(running.connector)
            if id_ in gaps and connector is not None:
                connector.recall(gaps[id_])

    async def follow(self, catalogue: Catalogue) -> None:
        """Start what is new, start anew what has changed, stop what is gone, and tell which addresses are bound."""
        for id_, running in list(self._running.items()):
            if catalogue.sources.get(id_) != running.source:
                del self._running[id_]
                await _end(running)
                _log.info("source %s stopped: its configuration has changed", running.source.slug)
        for id_, source in catalogue.sources.items():
            addresses = frozenset(catalogue.bindings[id_])
            known = self._running.get(id_)
            if known is None:
                self._running[id_] = self._start(source, addresses)
            elif known.addresses != addresses:
                known.addresses = addresses
                if known.connector is not None:
                    known.connector.watch(addresses)

    async def stop(self) -> None:
        """End every connector, and wait for it."""
        running, self._running = self._running, {}
        await asyncio.gather(*(_end(one) for one in running.values()))

    def _start(self, source: Source, addresses: frozenset[str]) -> _Running:
        running = _Running(source=source, addresses=addresses)
        running.task = asyncio.create_task(self._keep(running), name=f"source {source.slug}")
        return running

    async def _keep(self, running: _Running) -> None:
        """Run a source's connector for ever; one that ends without being asked to is started again.

        So is one that is misconfigured, since what it lacks may be a file; the same fault is told once.
        """
        source, waits, told = running.source, Backoff(longest=_LOOK_AGAIN), ""
        tally = self._tallies.of(source.id)
        tally.source = source.slug
        deliver = self._deliver(source.id)
        while True:
            try:
                running.connector = self._connect(source, tally.heard_until)
                running.connector.watch(running.addresses)
                self.built.set()
                tally.fault, tally.message = None, ""
                tally.connected = partial(_connected, running.connector)
                _log.log(logging.DEBUG if told else logging.INFO, "source %s starts: %s", source.slug, source.url)
                await running.connector.run(deliver)
                tally.fault, tally.message = State.FAILED, "The connector ended by itself."
                _log.error("source %s: its connector ended by itself and is started again", source.slug)
            except InvalidSettings as error:
                running.connector = None
                tally.fault, tally.message = State.MISCONFIGURED, str(error)
                if told != str(error):
                    told = str(error)
                    _log.error("source %s cannot run: %s Correct it, and it starts by itself.", source.slug, error)
            except Exception as error:  # noqa: BLE001 - one source's failure is not the others'
                tally.fault, tally.message = State.FAILED, f"{type(error).__name__}: see the log."
                _log.exception("source %s failed and is started again", source.slug)
            await asyncio.sleep(waits.pause())

    def _deliver(self, source: int) -> Callable[[Delivery], Awaitable[None]]:
        tally = self._tallies.of(source)

        async def deliver(delivery: Delivery) -> None:
            arrival = Arrival(source=source, received_at=Instant.now(), delivery=delivery)
            if delivery.described:
                self._descriptions.tell(source, delivery.described, at=arrival.received_at)
            await self._intake.put(arrival)
            tally.received += arrival.size
            tally.arrived(arrival.received_at)
            tally.last_heard = arrival.received_at
            tally.heard_until = delivery.heard_until or tally.heard_until

        return deliver


def _mending(connector: object) -> Mending | None:
    return connector if isinstance(connector, Mending) else None


def _connected(connector: Connector) -> bool:
    return connector.connected


async def _end(running: _Running) -> None:
    if running.task is not None:
        running.task.cancel()
        await asyncio.wait({running.task})
