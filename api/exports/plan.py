"""What an export will hold: the decision, made when its job begins, cut to what was asked for and to that moment."""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from api.models.exports import ExportRequest
from fieldlab.assets.asset import Stream
from fieldlab.errors import InvalidInput, NotFound
from fieldlab.ownership.decision import servable
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind, Segment
from fieldlab.readings.duration import format_duration
from fieldlab.readings.instant import Instant
from fieldlab.storage import read, search
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Last, Selection, StatusFilter, StreamsOf, Wanted

_ALL: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The streams that have something to give, and their segments, by stream and then by time, numbered from 0."""

    decided_at: Instant
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]

    def of(self, stream: Stream) -> list[Segment]:
        """Give the segments of one stream."""
        return [segment for segment in self.segments if segment.stream == stream.key]


async def plan(
    scope: ReadScope, engine: AsyncEngine, pool: Pool, request: ExportRequest, began: Instant | None = None
) -> Plan:
    """Decide on what is asked for; nothing after this moment will be in it, or after the one at which its job began.

    Raises NotFound for what is not there or hidden, or where there is nothing to have; OutsideAgreement where an
    agreement does not allow the purpose or Parquet; InvalidInput where every segment has a floor that the step misses.
    """
    wanted = await _streams(scope, engine, request)
    if not wanted:
        raise NotFound("There is nothing of that which you may have; GET /v1/catalogue lists what there is.")
    interval = request.interval()
    if began is not None and isinstance(interval, Last):
        interval = interval.before(began)
    asked = Selection(streams=wanted, interval=interval, ask=request.ask(), kind=None)
    answer = await read.decision(scope, pool, asked)
    moment = answer.decided_at if began is None else began
    kept = [
        replace(segment, interval=past)
        for segment in answer.segments
        if (past := _until(segment.interval, moment)) is not None and _meant(segment, request)
    ]
    if not kept:
        raise NotFound("There is nothing of that which you may have; GET /v1/catalogue lists what there is.")
    if not servable(kept, request.length(), good_only=request.status is StatusFilter.GOOD):
        floors = {segment.basis.shape.resolution_floor or 0 for segment in kept}
        wants = " and ".join(format_duration(floor) for floor in sorted(floors))
        raise InvalidInput(f"All of this is under a resolution floor of {wants}: ask with a step that is a multiple.")
    numbered = tuple(replace(segment, number=number, origins=()) for number, segment in enumerate(kept))
    keys = {segment.stream for segment in numbered}
    return Plan(
        decided_at=moment,
        streams=tuple(stream for stream in answer.streams if stream.key in keys),
        segments=numbered,
    )


async def _streams(scope: ReadScope, engine: AsyncEngine, request: ExportRequest) -> Wanted:
    if request.stream:
        return tuple(request.stream)
    if request.asset is not None:
        return StreamsOf(asset=request.asset)
    entries = await search.entries(scope, engine, limit=_ALL)
    return tuple(
        str(entry.stream.id)
        for entry in entries
        if any(
            coverage.basis.kind is BasisKind.OWN if request.everything else coverage.trial == request.trial
            for coverage in entry.coverage
        )
    )


def _meant(segment: Segment, request: ExportRequest) -> bool:
    if request.everything:
        return segment.basis.kind is BasisKind.OWN
    return request.trial is None or segment.trial == request.trial


def _until(interval: Interval, moment: Instant) -> Interval | None:
    return Interval(start=interval.start, until=min(interval.until, moment)) if interval.start < moment else None
