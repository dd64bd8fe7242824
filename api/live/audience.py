"""Those who asked the same question for the same participant: decided once, written once, sent to each."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from api.answers.segments import checkpoint_document, segment_document, stream_document
from api.live.event import Event, Kind, Reason
from api.live.position import Positions
from api.live.reader import Missed, Reader
from fieldlab.assets.asset import Stream
from fieldlab.ownership.access import Checkpoint
from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.decision import Ask, Decision, Right, decide
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind, Segment
from fieldlab.readings.instant import NEVER, Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage.live import LiveSample, Place, Watch

COLUMNS: Final = ("time", "stream", "value", "status", "segment", "late")
MOST_ROWS: Final = 500
"""Samples of one event, at most."""

_Ground = tuple[int, int, UUID | None]
"""Stream, tenure and agreement of a segment."""

_Name = tuple[int, UUID | None, Instant]
"""Stream, agreement and beginning of a segment: it stays the same when a hand-over cuts its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """A segment as it was last told."""

    segment: Segment
    origins: frozenset[Origin]


@dataclass(kw_only=True, slots=True)
class Memory:
    """What whoever stands at a place knows: segments as they were told, and the newest time of each stream."""

    told: dict[int, _Shown] = field(default_factory=dict)
    newest: dict[int, Instant] = field(default_factory=dict)

    def take(self, other: "Memory") -> None:
        """Know all that another knows."""
        self.told.update(other.told)
        self.catch_up(other.newest)

    def catch_up(self, newest: Mapping[int, Instant]) -> None:
        """Know of newer times."""
        for stream, time in newest.items():
            self.newest[stream] = max(time, self.newest.get(stream, NEVER))

    def late(self, sample: LiveSample) -> bool:
        """Take a sample in; tell whether it is older than what is known of its stream."""
        late = sample.time < self.newest.get(sample.stream, NEVER)
        if not late:
            self.newest[sample.stream] = sample.time
        return late


class Audience:
    """What one question of one participant is answered, and whoever listens to it, each with a key of its own."""

    def __init__(
        self,
        *,
        streams: Sequence[Stream],
        ask: Ask,
        positions: Positions,
        fetch: Callable[[Instant, Instant], str],
    ) -> None:
        self.positions = positions
        self.readers: set[Reader] = set()
        self.over: Reason | None = None
        self.informed = False
        self.memory: Final = Memory()
        self._guests: dict[ReadScope, int] = {}
        self._ask = ask
        self._fetch = fetch
        self._streams = tuple(streams)
        self._ids = {stream.key: str(stream.id) for stream in streams}
        self._agreements: dict[UUID, Agreement] = {}
        self._rights: tuple[Right, ...] = ()
        self._decision = Decision(segments=())
        self._decided_at = Instant(0)
        self._grounds: dict[_Ground, list[tuple[Segment, int]]] = {}
        self._numbers: dict[_Name, int] = {}

    @property
    def scopes(self) -> list[ReadScope]:
        """Give the rights with which its guests came, the one that lasts longest first."""
        return sorted(self._guests, key=attrgetter("expires_at"), reverse=True)

    def enter(self, scope: ReadScope) -> None:
        """Count one guest more; whoever enters leaves."""
        self._guests[scope] = self._guests.get(scope, 0) + 1

    def leave(self, scope: ReadScope) -> bool:
        """Count one guest less; tell whether nobody is left."""
        self._guests[scope] -= 1
        if not self._guests[scope]:
            del self._guests[scope]
        return not self._guests

    def watch(self, scopes: Iterable[ReadScope]) -> Watch:
        """Give what is watched with some rights of its participant."""
        return Watch(credentials=tuple(scope.credential for scope in scopes), streams=frozenset(self._ids))

    @property
    def held(self) -> frozenset[UUID]:
        """Give the agreements on which something that was decided rests."""
        return frozenset(ground[2] for ground in self._grounds if ground[2] is not None)

    @property
    def glass(self) -> frozenset[UUID]:
        """Give the emergencies on which something that was decided rests."""
        return frozenset(
            segment.basis.agreement
            for segment in self._decision.segments
            if segment.basis.kind is BasisKind.BREAK_GLASS and segment.basis.agreement is not None
        )

    def unread(self, rights: Iterable[Right]) -> set[UUID]:
        """Give the agreements that it needs and has not read yet; what is signed never changes."""
        signed = (right.agreement for right in rights if right.kind is not BasisKind.BREAK_GLASS)
        return {id_ for id_ in signed if id_ is not None} - self._agreements.keys()

    def learn(self, agreements: Mapping[UUID, Agreement]) -> None:
        """Take agreements that were read for it."""
        self._agreements.update(agreements)

    def settle(self, rights: Iterable[Right], decided_at: Instant, memory: Memory) -> list[Event]:
        """Decide anew; give an event for each segment that began to be in force or is not what it was."""
        self._decided_at = decided_at
        own = tuple(right for right in rights if right.stream in self._ids)
        if own != self._rights or not self._grounds:
            self._rights = own
            known = {right.agreement for right in own if right.agreement is not None}
            self._decision = decide(
                own, {id_: self._agreements[id_] for id_ in known if id_ in self._agreements}, self._ask
            )
            self._grounds = {}
            for segment in self._decision.segments:
                ground = (segment.stream, segment.tenure, segment.basis.agreement)
                self._grounds.setdefault(ground, []).append((segment, self._number(segment)))
        return [event for segment in self._decision.segments for event in self._changed(segment, memory)]

    def require(self) -> None:
        """Raise OutsideAgreement where the last decision leaves out what the caller said wrongly, or leaves nothing."""
        self._decision.require(self._ask)

    def head(self, place: Place | None, memory: Memory, checkpoint: Checkpoint | None = None) -> Event:
        """Give the event that comes first: the streams, and the segments in force or told before."""
        sealed = {} if checkpoint is None else {"checkpoint": checkpoint_document(checkpoint)}
        return Event(
            kind=Kind.SEGMENTS,
            position=None if place is None else self.positions.write(place),
            data={
                "decided_at": str(self._decided_at),
                "streams": [stream_document(stream) for stream in self._streams],
                "segments": [self._document(number, shown) for number, shown in memory.told.items()],
                **sealed,
                "columns": COLUMNS,
            },
        )

    def alive(self, place: Place | None) -> Event:
        """Give the sign of life of an answer in which nothing happens."""
        return Event(kind=Kind.ALIVE, data={}, position=None if place is None else self.positions.write(place))

    def missed(self, missed: Missed) -> list[Event]:
        """Tell a slow reader what it did not get and where to fetch it."""
        data = {
            "samples": missed.samples,
            "from": str(missed.start),
            "until": str(missed.until),
            "fetch": self._fetch(missed.start, missed.until),
        }
        told = Event(kind=Kind.MISSED, data=data, position=missed.position)
        return [told, self.head(None, self.memory)]

    def forgotten(self, place: Place, until: Place) -> Event:
        """Tell whoever comes back too late that nobody knows any more how much it missed."""
        bounds = place.since.at, until.since.at
        data = {
            "samples": None,
            "from": str(bounds[0]),
            "until": str(bounds[1]),
            "fetch": self._fetch(*bounds),
        }
        return Event(kind=Kind.MISSED, data=data, position=self.positions.write(until))

    def segments(self, numbers: Iterable[int], memory: Memory) -> list[Segment]:
        """Give segments by their numbers, as whoever has this memory or the others were told of them."""
        told = {**self.memory.told, **memory.told}
        return [replace(told[number].segment, number=number) for number in numbers]

    def in_force(self, memory: Memory) -> list[int]:
        """Give the numbers of the segments that are in force now, of those that somebody was told."""
        return [number for number, shown in memory.told.items() if self._decided_at in shown.segment.interval]

    def untold(self, memory: Memory) -> list[Event]:
        """Give an event for each segment of which others know more: for whoever joins them."""
        return [
            Event(kind=Kind.SEGMENT, data=self._document(number, shown))
            for number, shown in self.memory.told.items()
            if memory.told.get(number) != shown
        ]

    def write(self, samples: Sequence[LiveSample], memory: Memory, *, before: Place, after: Place) -> Iterator[Event]:
        """Write samples that came between two places, each in its segment; what rests on nothing is left out.

        A sample that is older than what is known of its stream is late.
        """
        given = [*self._grounded(samples)]
        target = after.until or after.since
        for start in range(0, len(given), MOST_ROWS):
            part = given[start : start + MOST_ROWS]
            for sample, segment, number in part:
                shown = memory.told.get(number)
                if shown is None or sample.origin not in shown.origins:
                    yield self._tell(segment, sample.origin, memory)
            last = part[-1][0]
            ends = start + MOST_ROWS >= len(given) and after.until is None
            place = after if ends else Place(since=before.since, until=target, stream=last.stream, time=last.time)
            times = np.array([sample.time for sample, _, _ in part], np.int64)
            rows = [
                [text, self._ids[sample.stream], sample.value, sample.status, number, memory.late(sample)]
                for text, (sample, _, number) in zip(_rfc3339(times), part, strict=True)
            ]
            yield Event(
                kind=Kind.SAMPLES,
                data={"rows": rows},
                position=self.positions.write(place),
                rows=len(part),
                counts=Counter(number for _, _, number in part),
                start=Instant(times.min()),
                until=Instant(times.max() + 1),
            )

    def _grounded(self, samples: Iterable[LiveSample]) -> Iterator[tuple[LiveSample, Segment, int]]:
        for sample in samples:
            for segment, number in self._grounds.get((sample.stream, sample.tenure, sample.agreement), ()):
                if segment.interval.start <= sample.time < segment.interval.until:
                    yield sample, segment, number

    def _number(self, segment: Segment) -> int:
        return self._numbers.setdefault(_key(segment), len(self._numbers))

    def _changed(self, segment: Segment, memory: Memory) -> Iterator[Event]:
        shown = memory.told.get(self._number(segment))
        if shown is None and self._decided_at not in segment.interval:
            return
        if shown is None or not _alike(shown.segment, segment):
            number = self._number(segment)
            told = memory.told[number] = _Shown(segment=segment, origins=shown.origins if shown else frozenset())
            yield Event(kind=Kind.SEGMENT, data=self._document(number, told))

    def _tell(self, segment: Segment, origin: Origin, memory: Memory) -> Event:
        number = self._number(segment)
        shown = memory.told.get(number)
        origins = (shown.origins if shown else frozenset()) | {origin}
        told = memory.told[number] = _Shown(segment=segment, origins=origins)
        return Event(kind=Kind.SEGMENT, data=self._document(number, told))

    def _document(self, number: int, shown: _Shown) -> dict[str, Any]:
        segment = replace(shown.segment, number=number, origins=tuple(sorted(shown.origins)))
        return segment_document(segment, self._ids[segment.stream])


def _rfc3339(times: NDArray[np.int64]) -> list[str]:
    written: list[str] = np.datetime_as_string(times.view("datetime64[us]"), unit="us", timezone="UTC").tolist()
    return written


def _key(segment: Segment) -> _Name:
    return segment.stream, segment.basis.agreement, segment.interval.start


def _alike(told: Segment, now: Segment) -> bool:
    """Tell whether a segment is what was told; the end of an embargoed one moves with the clock."""
    if now.basis.shape.embargo:
        return told.basis == now.basis
    return (told.interval, told.owner, told.trial, told.basis) == (now.interval, now.owner, now.trial, now.basis)
