"""What the gateway does while a session stands: keep nodes monitored, take what comes, note what is missing."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from asyncua import ua

from connectors.opcua.address import node_of
from connectors.opcua.decode import Reading, decode
from connectors.opcua.hole import Hole, Holes
from connectors.opcua.mender import Mender
from connectors.opcua.session import Item, Session, SubscriptionLost
from connectors.opcua.subscription import Subscription, following, missing
from connectors.opcua.wanted import Wanted
from connectors.together import together
from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples

RETRY: Final = 30.0
"""Seconds after which a node that the server refused is asked for again."""

_MOST_REPUBLISHED: Final = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """That nobody listened `since` a moment, and when each node was heard `last` before it."""

    since: Instant | None
    last: Mapping[str, Instant]


@dataclass(kw_only=True, slots=True)
class Record:
    """What outlasts a session: the nodes wanted, those refused, and until when the server was heard.

    Nothing that was measured before `heard` is missing, by the server's clock, but for what an `absence` says: it lasts
    until every node is monitored again and its gap is told, however many sessions that takes. `last` is the time of the
    latest reading of each node; `holes` what is to be fetched from history; `subscription` what the next session may
    take over; `backfill` the microseconds of history wanted from a server that was never heard; `attended` tells that
    a session stands and has been asked for every node.
    """

    heard: Instant | None
    absence: Absence | None = None
    wanted: Wanted = field(default_factory=Wanted)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[str, Instant] = field(default_factory=dict)
    last: dict[str, Instant] = field(default_factory=dict)
    holes: Holes = field(default_factory=Holes)
    subscription: Subscription | None = None
    backfill: int = 0
    attended: bool = False

    def want(self, addresses: Iterable[str]) -> None:
        """Want these addresses and no others."""
        self.wanted = Wanted.of(addresses)
        self.refused = {text: at for text, at in self.refused.items() if text in self.wanted.addresses}
        self.last = {text: at for text, at in self.last.items() if text in self.wanted.nodes}
        self.holes.keep(self.wanted.nodes)
        self.changed.set()


class Attendance:
    """One session's work, until the session fails."""

    def __init__(
        self, session: Session, record: Record, waiting: asyncio.Queue[Delivery], *, slug: str, cause: Cause
    ) -> None:
        self._session = session
        self._record = record
        self._waiting = waiting
        self._slug = slug
        self._cause = cause
        self._subscription = session.subscription
        self._standing = session.subscription.standing
        self._mender = Mender(session, record.holes, waiting, slug=slug)
        self._since = Instant.now()
        self._asked_at: float | None = None
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
            await together(self._keep_items(), self._listen(), self._session.stay_alive(), self._mender.mend())
        finally:
            self._record.attended = False

    @property
    def can_be_continued(self) -> bool:
        """Tell whether another session may take the subscription over: what was asked for was also answered."""
        return self._standing.settled

    # which nodes are monitored

    async def _keep_items(self) -> None:
        while True:
            self._record.changed.clear()
            await self._reconcile(self._record.wanted)
            self._mender.wanted = self._record.wanted
            self._record.attended = True
            if self._asked_at is None:
                self._asked_at = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(RETRY):
                    await self._record.changed.wait()
            except TimeoutError:
                if self._record.refused:
                    await self._session.learn_namespaces()

    async def _reconcile(self, wanted: Wanted) -> None:
        """Bring what the server sends in line with what is wanted."""
        gone = self._standing.to_drop(wanted)
        if gone:
            await self._session.forget([self._standing.sent[text] for text in gone])
            self._standing.drop(gone)
        new = self._standing.to_add(wanted)
        answers = await self._session.monitor(
            [Item(handle=handle, node=wanted.nodes[text]) for handle, text in new.items()]
        )
        rejects: list[Reject] = []
        gaps: list[Gap] = []
        for (handle, text), answer in zip(new.items(), answers, strict=True):
            self._standing.settle(handle, None if answer.refusal else answer.server_handle)
            if answer.refusal:
                rejects += self._refused(text, f"The server does not give this node: {answer.refusal}.")
            elif text in self._record.refused:
                gaps += self._recovered(text, wanted)
        for text, fault in wanted.unreadable.items():
            rejects += self._refused(text, fault)
        if rejects or gaps:
            await self._waiting.put(Delivery(samples=Samples(), rejects=tuple(rejects), gaps=tuple(gaps)))

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
        gap = Gap(start=since, until=now, cause=Cause.SUBSCRIPTION_LOST, addresses=wanted.addresses[text])
        self._record.holes.add(Hole.of(gap, [text], last=self._record.last))
        return [gap]

    # what the server sends

    async def _listen(self) -> None:
        await self._catch_up()
        while True:
            answer = await self._session.answer()
            now, result = Instant.now(), answer.result
            message, published = result.NotificationMessage, answer.published
            await self._note_return(published, came=answer.came)
            whole = None if self._record.absence or result.MoreNotifications else self._heard_by(published)
            if message.NotificationData or self._subscription.is_ahead(message.SequenceNumber):
                await self._fill_hole(message.SequenceNumber, result.AvailableSequenceNumbers or (), published, now)
            if message.NotificationData:
                await self._take(message, now, heard_until=whole)
                self._subscription.expected = following(message.SequenceNumber)
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
            own.expected = following(message.SequenceNumber)

    def _heard_by(self, published: Instant) -> Instant:
        """Tell until when an answer leaves nothing out: what was measured just before may be sent with the next."""
        return Instant(published - self._subscription.interval)

    async def _note_return(self, published: Instant, *, came: float) -> None:
        """Note what may be missing of an absence, by the first answer that came after every node was monitored again.

        What the server sent before, it may have sent while some nodes were not monitored.
        """
        absence = self._record.absence
        if absence is None or self._asked_at is None or came < self._asked_at:
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

    async def _take(self, message: ua.NotificationMessage, now: Instant, *, heard_until: Instant | None = None) -> None:
        """Hand over the values of an answer; it is acknowledged when they are safe."""
        readings: list[Reading] = []
        ended = ""
        texts = self._standing.texts
        for part in message.NotificationData:
            if isinstance(part, ua.DataChangeNotification):
                readings.extend(
                    Reading(
                        texts[one.ClientHandle],
                        one.Value.Value.Value if one.Value.Value is not None else None,
                        one.Value.StatusCode.value if one.Value.StatusCode is not None else 0,
                        one.Value.SourceTimestamp,
                        one.Value.ServerTimestamp,
                    )
                    for one in part.MonitoredItems
                    if one.ClientHandle in texts
                )
            elif isinstance(part, ua.StatusChangeNotification):
                ended = part.Status.name
        decoded = decode(readings, now, last=self._record.last, since=self._since)
        self._see_first(decoded.samples)
        for gap in decoded.gaps:
            if gap.addresses:
                self._record.holes.add(
                    Hole.of(gap, [node_of(gap.addresses[0])], last={node_of(gap.addresses[0]): gap.start})
                )
        self._record.last.update(decoded.last)
        self._subscription.take(message.SequenceNumber)
        await self._waiting.put(
            Delivery(
                samples=decoded.samples,
                rejects=tuple(decoded.rejects),
                gaps=tuple(decoded.gaps),
                heard_until=heard_until,
                safe=partial(self._subscription.acknowledge, message.SequenceNumber),
            )
        )
        if ended:
            raise SubscriptionLost(f"the server ended the subscription: {ended}", for_good=True)

    def _look_out(self) -> None:
        """See from now on when each node is heard first."""
        self._unseen, self._following = set(self._record.wanted.nodes), {}

    def _see_first(self, samples: Samples) -> None:
        """Note when each node is heard again after a hole."""
        if self._unseen:
            for address, time in zip(samples.addresses, samples.times, strict=True):
                text = node_of(address)
                if text in self._unseen:
                    self._unseen.discard(text)
                    self._following[text] = Instant(time)

    async def _note(
        self, gap: Gap, last: Mapping[str, Instant], following: Mapping[str, Instant], *, noted: bool = True
    ) -> None:
        """Tell a gap of every node, and have it fetched from history; one that is not `noted` is fetched alone."""
        self._record.holes.add(Hole.of(gap, self._record.wanted.nodes, last=last, following=following, noted=noted))
        if noted:
            await self._waiting.put(Delivery(samples=Samples(), gaps=(gap,)))
