"""What is known to be missing in what a reader may see: the holes of the segments that the one decision gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fieldlab.assets.asset import Stream
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.access import AccessKind
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment, SegmentGap
from fieldlab.readings.instant import Instant
from fieldlab.storage.deciding import Question, deciding
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Last, Wanted


@dataclass(frozen=True, kw_only=True, slots=True)
class GapPlace:
    """Where a page ended: after this hole of this stream (its public id)."""

    stream: UUID
    start: Instant
    until: Instant
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A hole, cut to the segment that it lies in."""

    stream: Stream
    segment: Segment
    gap: SegmentGap

    @property
    def place(self) -> GapPlace:
        """Give where it stands in the order of the list."""
        interval = self.gap.interval
        return GapPlace(stream=self.stream.id, start=interval.start, until=interval.until, cause=self.gap.cause.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class GapPage:
    """Holes by stream as asked, then by time; `interval` is the one decided on, `more` says that others follow."""

    decided_at: Instant
    interval: Interval
    items: tuple[Missing, ...]
    more: bool


async def gaps(
    scope: ReadScope,
    pool: Pool,
    streams: Wanted,
    interval: Interval | Last,
    ask: Ask,
    *,
    after: GapPlace | None = None,
    limit: int = 100,
) -> GapPage:
    """Answer the holes within what the reader may see of streams over a time, at most `limit` of them.

    The ledger notes it as an answer without rows. Raises NotFound for a stream that is not there or hidden,
    InvalidCursor for a page after a stream that is not asked, OutsideAgreement for a purpose or format that an
    agreement does not allow.
    """
    question = Question(streams=streams, interval=interval, ask=ask, kind=AccessKind.GAPS)
    async with deciding(scope, pool, question) as decided:
        found = _ordered(decided.streams, decided.segments)
        left = found if after is None else _after(decided.streams, found, after)
        noted = decided.access and replace(decided.access, rows=(0,) * len(decided.segments))
        await replace(decided, access=noted).close()
    return GapPage(
        decided_at=decided.decided_at, interval=decided.interval, items=tuple(left[:limit]), more=len(left) > limit
    )


def _ordered(streams: Sequence[Stream], segments: Sequence[Segment]) -> list[Missing]:
    known = {stream.key: stream for stream in streams}
    order = _order(streams)
    each = {
        _rank(order, one.place): one
        for one in (
            Missing(stream=known[segment.stream], segment=segment, gap=gap)
            for segment in segments
            for gap in segment.gaps
        )
    }
    return [each[rank] for rank in sorted(each)]


def _after(streams: Sequence[Stream], found: Sequence[Missing], after: GapPlace) -> list[Missing]:
    order = _order(streams)
    if after.stream not in order:
        raise InvalidCursor("The stream at which this page begins is not among those asked; ask again without cursor.")
    begin = _rank(order, after)
    return [one for one in found if _rank(order, one.place) > begin]


def _order(streams: Sequence[Stream]) -> dict[UUID, int]:
    return {stream.id: number for number, stream in enumerate(streams)}


def _rank(order: dict[UUID, int], place: GapPlace) -> tuple[int, Instant, Instant, str]:
    return order[place.stream], place.start, place.until, place.cause
