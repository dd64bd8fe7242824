"""From a notification to what the gateway takes: samples, rejects and gaps, by the types of one server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.opcua.address import parse
from connectors.opcua.binary import NodeKey, moment
from connectors.opcua.columns import decode_numbers
from connectors.opcua.decode import Decoded, Reading, decode
from connectors.opcua.dictionary import Dictionary
from connectors.opcua.events import Happened, happened, types_of
from connectors.opcua.interpreter import Interpreter
from connectors.opcua.notification import Event, Notification, Numbers, Other
from connectors.opcua.record import Record
from connectors.opcua.session import Session
from fieldlab.assets.description import Description
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.samples import Samples

_GONE: Final = frozenset({0x8033_0000, 0x8034_0000})
"""BadNodeIdInvalid and BadNodeIdUnknown: the node was deleted after it was monitored."""
_CODE: Final = 0xFFFF_0000


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """What a notification comes to. `gone` are nodes that the server has no longer, `there` those with a value."""

    decoded: Decoded
    happened: Happened
    gone: tuple[str, ...] = ()
    there: tuple[str, ...] = ()

    @property
    def samples(self) -> Samples:
        """Give all samples."""
        if not self.happened.samples.addresses:
            return self.decoded.samples
        return Samples.joined([self.decoded.samples, self.happened.samples])

    @property
    def described(self) -> tuple[Description, ...]:
        """Give what is known of the addresses of events."""
        return tuple(self.happened.described)


class Translation:
    """Translates the notifications of one session; asks the server for types that it meets."""

    def __init__(
        self,
        session: Session,
        dictionary: Dictionary,
        interpreter: Interpreter,
        record: Record,
        *,
        every_event: bool,
    ) -> None:
        self._session = session
        self._dictionary = dictionary
        self._interpreter = interpreter
        self._record = record
        self._every_event = every_event
        self._standing = session.subscription.standing
        self._since = Instant.now()
        self._addresses: dict[NodeKey, str] = {}

    async def of(self, message: Notification, now: Instant) -> Translated:
        """Translate a notification; raises Unavailable when the server has to be asked and does not answer."""
        numbers, named = self._numbers(message.numbers)
        others = [*named, *message.others]
        await self._interpreter.learn(one.value for one in others)
        decoded = self._decoded(numbers, others, now)
        texts = self._standing.texts
        gone = {texts[one.handle] for one in others if one.code & _CODE in _GONE and one.handle in texts}
        return Translated(
            decoded=decoded,
            happened=await self._happened(message.events, now),
            gone=tuple(gone),
            there=tuple(text for text in decoded.last if text not in gone),
        )

    def _numbers(self, numbers: Numbers) -> tuple[Numbers, list[Other]]:
        """Tell plain numbers from those that have names, and leave out those that nobody wants any more."""
        texts, names = self._standing.texts, self._standing.names
        if not names and len(numbers) and all(map(texts.__contains__, numbers.handles.tolist())):
            return numbers, []
        handles = numbers.handles.tolist()
        known = np.array([handle in texts and texts[handle] not in names for handle in handles], np.bool_)
        told = np.array([handle in texts and texts[handle] in names for handle in handles], np.bool_)
        some = numbers.take(told)
        named = [
            Other(handle, int(value), code, source, server)
            for handle, value, code, source, server in zip(
                some.handles.tolist(), some.values.tolist(), some.codes.tolist(), some.source.tolist(),
                some.server.tolist(), strict=True,
            )
        ]  # fmt: skip
        return numbers.take(known), named

    def _decoded(self, numbers: Numbers, others: Sequence[Other], now: Instant) -> Decoded:
        texts, last = self._standing.texts, self._record.last
        addresses = [texts[handle] for handle in numbers.handles.tolist()]
        decoded = decode_numbers(numbers, addresses, now, last=last, since=self._since)
        if not others:
            return decoded
        readings = [
            Reading(
                texts[one.handle],
                self._interpreter.meaning(texts[one.handle], one.value),
                one.code,
                moment(one.source),
                moment(one.server),
            )
            for one in others
            if one.handle in texts
        ]
        more = decode(readings, Instant(now + len(numbers)), last=last, since=self._since)
        return Decoded(
            samples=Samples.joined([decoded.samples, more.samples]),
            rejects=more.rejects,
            gaps=[*decoded.gaps, *more.gaps],
            last=decoded.last | {text: max(time, decoded.last.get(text, time)) for text, time in more.last.items()},
        )

    async def _happened(self, events: Sequence[Event], now: Instant) -> Happened:
        if not events:
            return Happened()
        names = await self._dictionary.names(types_of(events))
        wanted = None if self._every_event else self._record.wanted.events
        return happened(events, now, names=names, address_of=self._address_of, wanted=wanted)

    def _address_of(self, source: NodeKey | None, handle: int) -> str:
        if source is None:
            return str(parse(self._standing.notifiers.get(handle, "i=2253")))
        if source not in self._addresses:
            self._addresses[source] = self._session.address_of(source)
        return self._addresses[source]

    def overflow(self, found: Happened, *, since: Instant, until: Instant) -> list[Gap]:
        """Tell the gap that a full queue of events leaves at the addresses that are bound."""
        events = tuple(sorted(self._record.wanted.events))
        if not found.overflowed or not events:
            return []
        end = max(until, Instant(since + 1))
        return [Gap(start=since, until=end, cause=Cause.QUEUE_OVERFLOW, addresses=events)]
