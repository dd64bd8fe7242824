"""Keeps what a server sends in line with what is wanted; what it refuses is told once, and asked for again."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from connectors.opcua.address import parse
from connectors.opcua.config import OpcuaOptions
from connectors.opcua.dictionary import Dictionary
from connectors.opcua.hole import Hole
from connectors.opcua.monitoring import Item, Monitored, Monitoring
from connectors.opcua.offer import Offer
from connectors.opcua.record import Record
from connectors.opcua.session import Session
from connectors.opcua.wanted import Wanted
from fieldlab.errors import Unavailable
from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples

RETRY: Final = 30.0
"""Seconds after which a node that the server refused is asked for again."""

LOOK_AGAIN: Final = 600.0
"""Seconds after which it is looked again what the server offers."""

SERVER: Final = "i=2253"
"""The node that notifies of every event of a server."""

_log = logging.getLogger(__name__)


class Roster:
    """The items of one session's subscription.

    `asked` is what the server was asked for, `asked_at` when it was first asked for everything, by the loop's clock.
    """

    def __init__(
        self,
        session: Session,
        dictionary: Dictionary,
        record: Record,
        waiting: asyncio.Queue[Delivery],
        *,
        options: OpcuaOptions,
        slug: str,
    ) -> None:
        self._session = session
        self._dictionary = dictionary
        self._record = record
        self._waiting = waiting
        self._options = options
        self._slug = slug
        self._standing = session.subscription.standing
        self._monitoring = Monitoring(session, options)
        self._offer = Offer(session, options)
        self._absent: set[str] = set()
        self._looked_at: float | None = None
        self._told_of_queues = False
        self.asked = Wanted()
        self.asked_at: float | None = None

    async def keep(self) -> None:
        """Work until cancelled; raises Unavailable when the connection fails."""
        record = self._record
        while True:
            record.changed.clear()
            wanted = record.wanted
            await self._reconcile(wanted)
            await self._watch_events(wanted)
            self.asked, record.attended = wanted, True
            if self.asked_at is None:
                self.asked_at = asyncio.get_running_loop().time()
            if self._options.take and (self._looked_at is None or time.monotonic() - self._looked_at > LOOK_AGAIN):
                await self._look()
                self._looked_at = time.monotonic()
            try:
                async with asyncio.timeout(RETRY):
                    await record.changed.wait()
            except TimeoutError:
                await self._renew()

    async def refresh(self) -> None:
        """Have the server tell once more of its conditions, where it knows of any."""
        try:
            await self._monitoring.refresh()
        except Unavailable as reason:
            _log.info("Source %s: no conditions are told anew: %s.", self._slug, reason)

    async def gone(self, texts: Iterable[str]) -> None:
        """Tell of nodes that the server says it has no longer; they are asked for again all the same."""
        rejects = []
        for text in texts:
            self._absent.add(text)
            rejects += self._refused(text, "The server has this node no longer.")
        await self._tell(rejects, [])

    async def back(self, texts: Iterable[str]) -> None:
        """Tell of nodes that have a value, of those that were gone."""
        returned = [text for text in texts if text in self._absent]
        self._absent.difference_update(returned)
        await self._tell([], [gap for text in returned for gap in self._recovered(text, self._record.wanted)])

    @property
    def any_gone(self) -> bool:
        """Tell whether some nodes are gone."""
        return bool(self._absent)

    async def _renew(self) -> None:
        """Prepare to ask again for what was refused or is gone."""
        if self._record.refused:
            await self._session.learn_namespaces()
        await self._forget([text for text in self._absent if text in self._standing.sent])

    async def _forget(self, texts: list[str]) -> None:
        if texts:
            await self._monitoring.forget([self._standing.sent[text] for text in texts])
            self._session.lose(self._record.wanted.nodes[text] for text in texts if text in self._record.wanted.nodes)
            self._standing.drop(texts)

    async def _reconcile(self, wanted: Wanted) -> None:
        """Bring what the server sends in line with what is wanted."""
        await self._forget(self._standing.to_drop(wanted))
        lost = await self._session.find(wanted.nodes.values())
        fresh = {text: node for text, node in wanted.nodes.items() if text not in self._standing.sent}
        ids = dict(zip(fresh, self._session.node_ids(fresh.values()), strict=True))
        refusals = {
            text: lost.get(node, "it has no such namespace") for text, node in fresh.items() if ids[text].is_null()
        }
        there = {text: id_ for text, id_ in ids.items() if text not in refusals}
        self._standing.names |= await self._dictionary.enumerations(there)
        new = self._standing.to_add(there)
        answers = await self._monitoring.values([Item(handle=handle, node=there[text]) for handle, text in new.items()])
        rejects: list[Reject] = []
        gaps: list[Gap] = []
        for (handle, text), answer in zip(new.items(), answers, strict=True):
            self._standing.settle(handle, None if answer.refusal else answer.server_handle)
            if answer.refusal:
                refusals[text] = answer.refusal
            elif text in self._record.refused and text not in self._absent:
                gaps += self._recovered(text, wanted)
        self._tell_of_queues(answers)
        for text, reason in refusals.items():
            rejects += self._refused(text, f"The server does not give this node: {reason}.")
        for text, fault in wanted.unreadable.items():
            rejects += self._refused(text, fault)
        await self._tell(rejects, gaps)

    async def _watch_events(self, wanted: Wanted) -> None:
        """Ask for the events of the notifiers that are configured, else of the server where some are bound."""
        notifiers = self._options.events or ((SERVER,) if wanted.events else ())
        known = set(self._standing.notifiers.values())
        new = {text: parse(text) for text in notifiers if text not in known}
        if not new:
            return
        await self._session.find(new.values())
        items: list[Item] = []
        for text, node in zip(new, self._session.node_ids(new.values()), strict=True):
            self._standing.handles += 1
            self._standing.notifiers[self._standing.handles] = text
            items.append(Item(handle=self._standing.handles, node=node))
        rejects: list[Reject] = []
        try:
            answers = await self._monitoring.events(items)
        except Unavailable:
            for item in items:
                del self._standing.notifiers[item.handle]
            raise
        for item, answer in zip(items, answers, strict=True):
            if answer.refusal:
                text = self._standing.notifiers.pop(item.handle)
                rejects += self._refused(text, f"The server tells no events of this node: {answer.refusal}.")
        await self._tell(rejects, [])
        await self.refresh()

    async def _look(self) -> None:
        """Look what the server offers, take what the options choose, and say what it is."""
        found, faults = await self._offer.look()
        for fault in faults:
            _log.warning("Source %s: %s", self._slug, fault)
        if set(self._record.taken) != {one.by_path for one in found}:
            self._record.take(found)
        described = tuple(told for one in found if not (told := one.described).empty)
        await self._waiting.put(Delivery(samples=Samples(), described=described))

    def _tell_of_queues(self, answers: Iterable[Monitored]) -> None:
        """Say once where the server keeps fewer values than it was asked to."""
        least = min((one.queue for one in answers if not one.refusal), default=self._options.queue_size)
        if least < self._options.queue_size and not self._told_of_queues:
            self._told_of_queues = True
            _log.warning(
                "Source %s: the server keeps %d values of a node between two answers, not the %d of options.queue_size;"
                " if gaps of cause queue_overflow follow, shorten options.publishing_interval.",
                self._slug,
                least,
                self._options.queue_size,
            )

    def _refused(self, text: str, detail: str) -> list[Reject]:
        """Report a node once, however often it is refused; it is asked for again all the same."""
        if text in self._record.refused:
            return []
        now = Instant.now()
        self._record.refused[text] = now
        _log.warning("Source %s: %s: %s It is asked for again every %.0f s.", self._slug, text, detail, RETRY)
        return [Reject(reason=Reason.UNKNOWN_ADDRESS, detail=detail, raw=b"", received_at=now, address=text)]

    def _recovered(self, text: str, wanted: Wanted) -> list[Gap]:
        since, now = self._record.refused.pop(text), Instant.now()
        _log.info("Source %s: %s is there now.", self._slug, text)
        last = {text: self._record.last[text]} if text in self._record.last else {}
        gap = Gap(
            start=since,
            until=now,
            cause=Cause.SUBSCRIPTION_LOST,
            addresses=wanted.addresses[text],
            heard=wanted.at_addresses(last),
        )
        self._record.holes.add(Hole.of(gap, [text], last=last))
        return [gap]

    async def _tell(self, rejects: list[Reject], gaps: list[Gap]) -> None:
        if rejects or gaps:
            await self._waiting.put(Delivery(samples=Samples(), rejects=tuple(rejects), gaps=tuple(gaps)))
