"""What the gateway does while a session stands: keep nodes monitored, take what comes, note what is missing."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from asyncua import ua

from connectors.opcua.address import node_of
from connectors.opcua.config import OpcuaOptions
from connectors.opcua.dictionary import Dictionary
from connectors.opcua.hole import Hole
from connectors.opcua.interpreter import Interpreter
from connectors.opcua.mender import Mender
from connectors.opcua.notification import Notification
from connectors.opcua.record import Absence, Record
from connectors.opcua.roster import Roster
from connectors.opcua.session import Session, SubscriptionLost
from connectors.opcua.subscription import following, missing
from connectors.opcua.translation import Translated, Translation
from connectors.together import together
from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.samples import Samples

_MOST_REPUBLISHED: Final = 100


class Attendance:
    """One session's work, until the session fails."""

    def __init__(
        self,
        session: Session,
        record: Record,
        waiting: asyncio.Queue[Delivery],
        *,
        options: OpcuaOptions,
        slug: str,
        cause: Cause,
    ) -> None:
        self._session = session
        self._record = record
        self._waiting = waiting
        self._cause = cause
        self._subscription = session.subscription
        self._standing = session.subscription.standing
        dictionary = Dictionary(session.requests)
        interpreter = Interpreter(dictionary, self._standing.names)
        self._translation = Translation(session, dictionary, interpreter, record, every_event=bool(options.events))
        self._roster = Roster(session, dictionary, record, waiting, options=options, slug=slug)
        self._mender = Mender(session, interpreter, record.holes, waiting, slug=slug, asked=lambda: self._roster.asked)
        self._since = Instant.now()
        self._unseen: set[str] = set()
        self._following: dict[str, Instant] = {}

    async def attend(self) -> None:
        """Work until the session fails; raises Unavailable with the reason."""
        record = self._record
        if not self._subscription.continued and record.absence is None and (record.heard or record.backfill):
            record.absence = Absence(since=record.heard, last=dict(record.last))
        if record.absence is not None:
            self._look_out()
        try:
            await together(self._roster.keep(), self._listen(), self._session.stay_alive(), self._mender.mend())
        finally:
            self._record.attended = False

    @property
    def can_be_continued(self) -> bool:
        """Tell whether another session may take the subscription over: what was asked for was also answered."""
        return self._standing.settled

    async def _listen(self) -> None:
        await self._catch_up()
        while True:
            answer = await self._session.answer()
            now, result = Instant.now(), answer.result
            message, published = result.message, answer.published
            await self._note_return(published, came=answer.came)
            whole = None if self._record.absence or result.more else self._heard_by(published)
            if not message.empty or self._subscription.is_ahead(message.sequence):
                await self._fill_hole(message.sequence, result.available, published, now)
            if not message.empty:
                await self._take(message, now, heard_until=whole)
                self._subscription.expected = following(message.sequence)
            self._record.heard = whole or self._record.heard

    async def _catch_up(self) -> None:
        """Fetch the answers that the server made while nobody could take them, until it has no more."""
        own = self._subscription
        if not own.continued:
            return
        for _ in range(_MOST_REPUBLISHED if own.expected is not None else 0):
            message = await self._session.republished(own.expected or 1)
            if message is None:
                return
            now = Instant.now()
            await self._take(message, now)
            own.expected = following(message.sequence)

    def _heard_by(self, published: Instant) -> Instant:
        """Tell until when an answer leaves nothing out: what was measured just before may be sent with the next."""
        return Instant(published - self._subscription.interval)

    async def _note_return(self, published: Instant, *, came: float) -> None:
        """Note what may be missing of an absence, by the first answer that came after every node was monitored again.

        What the server sent before, it may have sent while some nodes were not monitored.
        """
        absence = self._record.absence
        asked_at = self._roster.asked_at
        if absence is None or asked_at is None or came < asked_at:
            return
        since, backfill = absence.since, self._record.backfill
        if self._record.wanted.nodes:
            until = max(published, Instant((since or 0) + 1))
            start = since if since is not None else Instant(published - backfill)
            gap = Gap(start=start, until=until, cause=self._cause)
            await self._note(gap, absence.last, self._following, noted=since is not None)
        self._record.absence = None

    async def _fill_hole(self, sequence: int, available: Iterable[int], published: Instant, now: Instant) -> None:
        """Fetch answers that were numbered and did not arrive; note a gap for those that are gone."""
        expected = self._subscription.expected
        if expected is None or expected == sequence:
            return
        there = set(available)
        many = missing(expected, sequence)
        gone = many > _MOST_REPUBLISHED
        number, before = expected, dict(self._record.last)
        for _ in range(0 if gone else many):
            message = await self._session.republished(number) if number in there or not there else None
            if message is None:
                gone = True
            else:
                await self._take(message, now)
            number = following(number)
        self._subscription.expected = sequence
        if gone:
            start = self._record.heard or self._since
            until = max(published, Instant(start + 1))
            self._look_out()
            await self._note(Gap(start=start, until=until, cause=Cause.SEQUENCE_HOLE), before, self._following)

    async def _take(self, message: Notification, now: Instant, *, heard_until: Instant | None = None) -> None:
        """Hand over the values of an answer; it is acknowledged when they are safe."""
        found = await self._translation.of(message, now)
        since = self._record.heard or self._since
        gaps = [*found.gaps, *self._translation.overflow(found.happened, since=since, until=now)]
        self._see_first(found)
        for gap in found.gaps:
            if gap.addresses:
                text = node_of(gap.addresses[0])
                self._record.holes.add(Hole.of(gap, [text], last={text: gap.start}))
        self._record.last.update(found.last)
        self._subscription.take(message.sequence)
        await self._waiting.put(
            Delivery(
                columns=found.columns,
                samples=found.samples,
                rejects=tuple(found.decoded.rejects),
                gaps=tuple(gaps),
                described=found.described,
                heard_until=heard_until,
                safe=partial(self._subscription.acknowledge, message.sequence),
            )
        )
        if found.gone:
            await self._roster.gone(found.gone)
        if self._roster.any_gone:
            await self._roster.back(found.there)
        if found.happened.refresh:
            await self._roster.refresh()
        if message.ended is not None:
            reason = ua.StatusCode(ua.UInt32(message.ended)).name
            raise SubscriptionLost(f"the server ended the subscription: {reason}", for_good=True)

    def _look_out(self) -> None:
        """See from now on when each node is heard first."""
        self._unseen, self._following = set(self._record.wanted.nodes), {}

    def _see_first(self, found: Translated) -> None:
        """Note when each node is heard again after a hole."""
        if self._unseen:
            samples = Samples.joined([found.counted.columns.rows(), found.decoded.samples])
            for address, time in zip(samples.addresses, samples.times, strict=True):
                text = node_of(address)
                if text in self._unseen:
                    self._unseen.discard(text)
                    self._following[text] = Instant(time)

    async def _note(
        self, gap: Gap, last: Mapping[str, Instant], following: Mapping[str, Instant], *, noted: bool = True
    ) -> None:
        """Tell a gap of every node, and have it fetched from history; one that is not `noted` is fetched alone."""
        wanted = self._record.wanted
        self._record.holes.add(Hole.of(gap, wanted.nodes, last=last, following=following, noted=noted))
        if noted:
            told = replace(gap, heard=wanted.at_addresses(last))
            await self._waiting.put(Delivery(samples=Samples(), gaps=(told,)))
