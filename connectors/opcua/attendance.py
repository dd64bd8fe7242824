"""What the gateway does while a session stands: keep nodes monitored, take what comes, note what is missing."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from asyncua import ua

from connectors.opcua.decode import Reading, decode
from connectors.opcua.session import Item, Session, SubscriptionLost
from connectors.opcua.wanted import Standing, Wanted
from connectors.together import together
from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples

RETRY: Final = 30.0
"""Seconds after which a node that the server refused is asked for again."""

_LAST_SEQUENCE: Final = 2**32 - 1
_MOST_REPUBLISHED: Final = 100

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Record:
    """What outlasts a session: the nodes wanted, those refused, and when the server was heard last.

    `heard` is the server's time of its last answer; `last` the time of the latest reading of each node; `attended`
    tells that a session stands and has been asked for every node.
    """

    heard: Instant | None
    wanted: Wanted = field(default_factory=Wanted)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[str, Instant] = field(default_factory=dict)
    last: dict[str, Instant] = field(default_factory=dict)
    attended: bool = False

    def want(self, addresses: Iterable[str]) -> None:
        """Want these addresses and no others."""
        self.wanted = Wanted.of(addresses)
        self.refused = {text: at for text, at in self.refused.items() if text in self.wanted.addresses}
        self.last = {text: at for text, at in self.last.items() if text in self.wanted.nodes}
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
        self._standing = Standing()
        self._missing_since = record.heard
        self._since = Instant.now()
        self._expected: int | None = None

    async def attend(self) -> None:
        """Work until the session fails; raises Unavailable with the reason."""
        try:
            await together(self._keep_items(), self._listen(), self._session.stay_alive())
        finally:
            self._record.attended = False

    # which nodes are monitored

    async def _keep_items(self) -> None:
        while True:
            self._record.changed.clear()
            await self._reconcile(self._record.wanted)
            self._record.attended = True
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
        return [Gap(start=since, until=now, cause=Cause.SUBSCRIPTION_LOST, addresses=wanted.addresses[text])]

    # what the server sends

    async def _listen(self) -> None:
        while True:
            result = await self._session.answer()
            now = Instant.now()
            message = result.NotificationMessage
            published = _server_time(message, now)
            await self._note_return(published)
            if message.NotificationData:
                await self._fill_hole(message.SequenceNumber, result.AvailableSequenceNumbers or (), published, now)
                await self._take(message, now)
                self._expected = _following(message.SequenceNumber)
            self._record.heard = published

    async def _note_return(self, published: Instant) -> None:
        """Note what may be missing since the session before, once every node is monitored again."""
        since = self._missing_since
        if since is not None and self._record.attended:
            self._missing_since = None
            if self._record.wanted.nodes:
                await self._note(Gap(start=since, until=max(published, Instant(since + 1)), cause=self._cause))

    async def _fill_hole(self, sequence: int, available: Iterable[int], published: Instant, now: Instant) -> None:
        """Fetch answers that were numbered and did not arrive; note a gap for those that are gone."""
        if self._expected is None or self._expected == sequence:
            return
        missing = (sequence - self._expected) % _LAST_SEQUENCE
        there = set(available)
        gone = missing > _MOST_REPUBLISHED
        number = self._expected
        for _ in range(0 if gone else missing):
            message = await self._session.republished(number) if number in there else None
            if message is None:
                gone = True
            else:
                await self._take(message, now)
            number = _following(number)
        if gone:
            start = self._record.heard or self._since
            await self._note(Gap(start=start, until=max(published, Instant(start + 1)), cause=Cause.SEQUENCE_HOLE))

    async def _take(self, message: ua.NotificationMessage, now: Instant) -> None:
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
        self._record.last.update(decoded.last)
        await self._waiting.put(
            Delivery(
                samples=decoded.samples,
                rejects=tuple(decoded.rejects),
                gaps=tuple(decoded.gaps),
                safe=partial(self._session.acknowledge, message.SequenceNumber),
            )
        )
        if ended:
            raise SubscriptionLost(f"the server ended the subscription: {ended}")

    async def _note(self, gap: Gap) -> None:
        await self._waiting.put(Delivery(samples=Samples(), gaps=(gap,)))


def _following(sequence: int) -> int:
    """Count on, from the largest number to 1 (OPC 10000-4, 7.8)."""
    return 1 if sequence >= _LAST_SEQUENCE else sequence + 1


def _server_time(message: ua.NotificationMessage, now: Instant) -> Instant:
    """Read when the server sent a message; `now` where it does not say."""
    published = message.PublishTime
    return now if published is None or published <= ua.get_win_epoch() else Instant.of(published)
