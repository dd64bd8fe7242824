"""From a notification to what the gateway takes: samples, rejects and gaps, by the types of one server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.opcua.address import parse
from connectors.opcua.columns import Counted, Places, decode_numbers
from connectors.opcua.decode import Decoded, Reading, decode
from connectors.opcua.dictionary import Dictionary
from connectors.opcua.events import Happened, happened, types_of
from connectors.opcua.interpreter import Interpreter
from connectors.opcua.notification import Event, Notification, Numbers, Other
from connectors.opcua.record import Record
from connectors.opcua.session import Session
from connectors.opcua.value import NodeKey, moment
from fieldlab.assets.description import Description
from fieldlab.readings.columns import Columns
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.samples import Samples

_GONE: Final = frozenset({0x8033_0000, 0x8034_0000})
"""BadNodeIdInvalid and BadNodeIdUnknown: the node was deleted after it was monitored."""
_CODE: Final = 0xFFFF_0000


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """What a notification comes to: numbers in columns, then what was decoded one by one, then what happened.

    `gone` are nodes that the server has no longer, `last` those with a value, and when it was measured.
    """

    counted: Counted
    decoded: Decoded
    happened: Happened
    last: Mapping[str, Instant]
    gone: frozenset[str] = frozenset()

    @property
    def columns(self) -> Columns | None:
        """Give the numbers, None for none."""
        return self.counted.columns if len(self.counted.columns) else None

    @property
    def gaps(self) -> list[Gap]:
        """Give what the server dropped."""
        return [*self.counted.gaps, *self.decoded.gaps]

    @property
    def there(self) -> list[str]:
        """Give the nodes that have a value."""
        return [text for text in self.last if text not in self.gone]

    @property
    def samples(self) -> Samples:
        """Give all samples but the numbers."""
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
        self._placed = (-1, 0)
        self._places = self._named = Places({})

    async def of(self, message: Notification, now: Instant) -> Translated:
        """Translate a notification; raises Unavailable when the server has to be asked and does not answer."""
        numbers, named = self._numbers(message.numbers)
        others = [*named, *message.others]
        await self._interpreter.learn(one.value for one in others)
        last = self._record.last
        counted = decode_numbers(numbers, self._places, now, last=last, since=self._since)
        decoded = self._decoded(others, Instant(now + len(numbers)), last)
        texts = self._standing.texts
        gone = {texts[one.handle] for one in others if one.code & _CODE in _GONE and one.handle in texts}
        return Translated(
            counted=counted,
            decoded=decoded,
            happened=await self._happened(message.events, now),
            last=_later(counted.last, decoded.last),
            gone=frozenset(gone),
        )

    def _numbers(self, numbers: Numbers) -> tuple[Numbers, list[Other]]:
        """Tell plain numbers from those that have names, and leave out those that nobody wants any more."""
        standing = self._standing
        if self._placed != (standing.changes, len(standing.names)):
            self._placed = (standing.changes, len(standing.names))
            self._places = Places(
                {handle: text for handle, text in standing.texts.items() if text not in standing.names}
            )
            self._named = Places({handle: text for handle, text in standing.texts.items() if text in standing.names})
        known = self._places.known(numbers.handles)
        if known.all():
            return numbers, []
        some = numbers.take(self._named.known(numbers.handles))
        named = [
            Other(handle, int(value), code, source, server)
            for handle, value, code, source, server in zip(
                some.handles.tolist(), some.values.tolist(), some.codes.tolist(), some.source.tolist(),
                some.server.tolist(), strict=True,
            )
        ]  # fmt: skip
        return numbers.take(known), named

    def _decoded(self, others: Sequence[Other], now: Instant, last: Mapping[str, Instant]) -> Decoded:
        texts = self._standing.texts
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
        return decode(readings, now, last=last, since=self._since)

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


def _later(one: Mapping[str, Instant], other: Mapping[str, Instant]) -> dict[str, Instant]:
    return {**one, **{text: max(time, one.get(text, time)) for text, time in other.items()}}
