"""Reading measurements: the decision first, then rows, in one transaction bound to the reader.

Every public function takes a `ReadScope` first. What the scope's participant may not see does not exist here: a hidden
stream is NotFound, a hidden stretch is absent. The database decides the same once more, in its views and functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Stream
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.decision import NOTHING_SAID, Ask, Decision, Right, decide
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.paging import remaining
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind, Segment, SegmentGap
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import FOREVER, Instant
from fieldlab.readings.origin import Origin, origin_of
from fieldlab.readings.status import shown
from fieldlab.storage import agreements
from fieldlab.storage.aggregated import Bucketing, buckets
from fieldlab.storage.catalogue import wanted
from fieldlab.storage.columns import fetch, instants
from fieldlab.storage.selection import (
    Answer,
    BucketRows,
    Last,
    Position,
    SampleRows,
    Selection,
    StatusFilter,
    Wanted,
)
from fieldlab.storage.transaction import Bound, reading

_RIGHTS: Final = text("SELECT * FROM visible.segments(:streams, :start, :until, CAST(:preview AS uuid))")
"""The rights to decide on: which stretches of the asked streams the reader may see, cut at tenure boundaries."""

_GAPS: Final = text("SELECT tenure, start, until, cause, agreement FROM visible.gaps(:streams, :start, :until)")
"""The known holes within those stretches."""

_SAMPLES: Final = """
    SELECT time, value, text, status, origin
    FROM visible.samples(%(stream)s, %(start)s, %(until)s, %(limit)s, %(good_only)s, %(under)s)
"""
"""The samples of one stretch, or those whose status is good, oldest first."""

_LATEST: Final = text("SELECT * FROM visible.latest(:streams, CAST(:under AS uuid[]))")
"""The newest readable sample of each stream."""


async def measurements(scope: ReadScope, engine: AsyncEngine, selection: Selection) -> Answer:
    """Answer one page of samples, or of buckets if the selection has a step.

    Raises NotFound for a stream that is not there or hidden, InvalidCursor for a page after a stream that is not asked,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    async with reading(scope, engine) as bound:
        streams = await wanted(bound, selection.streams)
        interval = selection.interval
        if isinstance(interval, Last):
            interval = interval.before(bound.decided_at)
        decided = await _decide(bound, streams, interval, selection.ask, preview=selection.preview)
        left = _left(streams, decided, selection)
        rows: SampleRows | BucketRows
        origins: Mapping[int, set[Origin]]
        if selection.step is None:
            rows, origins, more = await _samples(bound, selection, left)
        else:
            asked = Bucketing(
                step=selection.step, aggregates=selection.aggregates, status=selection.status, limit=selection.limit
            )
            found = await buckets(bound, asked, decided, left)
            rows, origins, more = found.rows, found.origins, found.more
    return Answer(
        decided_at=bound.decided_at,
        interval=interval,
        streams=streams,
        segments=_with_origins(decided, origins),
        rows=rows,
        next=_position(rows, decided, streams) if more else None,
    )


async def latest(scope: ReadScope, engine: AsyncEngine, streams: Wanted, ask: Ask = NOTHING_SAID) -> Answer:
    """Answer the newest readable value of each stream, one segment a row; a stream without a value has no row.

    Nothing is newest below a resolution floor. Raises NotFound for a stream that is not there or hidden,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    async with reading(scope, engine) as bound:
        found = await wanted(bound, streams)
        keys = [stream.key for stream in found]
        decided = await _rights(bound, keys, ALWAYS, ask)
        bases = {segment.basis.agreement: segment.basis for segment in decided.segments}
        asked = {"streams": keys, "under": [id_ for id_ in bases if id_ is not None]}
        newest = (await bound.connection.execute(_LATEST, asked)).all()
    return Answer(
        decided_at=bound.decided_at,
        interval=ALWAYS,
        streams=found,
        segments=tuple(
            Segment(
                number=number,
                stream=row.stream,
                interval=Interval(start=row.time, until=Instant(row.time + 1)),
                tenure=row.tenure,
                owner=row.owner,
                trial=row.trial,
                basis=bases[row.agreement],
                origins=(origin_of(row.origin),),
            )
            for number, row in enumerate(newest)
        ),
        rows=SampleRows(
            times=np.array([row.time for row in newest], dtype=np.int64),
            values=[row.value if row.text is None else row.text for row in newest],
            statuses=[shown(row.status) for row in newest],
            segments=list(range(len(newest))),
        ),
    )


async def _decide(
    bound: Bound, streams: Sequence[Stream], interval: Interval, ask: Ask, *, preview: UUID | None
) -> tuple[Segment, ...]:
    keys = [stream.key for stream in streams]
    decided = await _rights(bound, keys, interval, ask, preview=preview)
    gaps: dict[tuple[int, UUID | None], list[SegmentGap]] = {}
    for row in await bound.connection.execute(_GAPS, _asked(keys, interval)):
        hole = SegmentGap(interval=Interval(start=row.start, until=row.until), cause=Cause(row.cause))
        gaps.setdefault((row.tenure, row.agreement), []).append(hole)
    return tuple(
        replace(segment, gaps=_within(segment.interval, gaps[segment.tenure, segment.basis.agreement]))
        if (segment.tenure, segment.basis.agreement) in gaps
        else segment
        for segment in decided.segments
    )


async def _rights(
    bound: Bound, keys: Sequence[int], interval: Interval, ask: Ask, *, preview: UUID | None = None
) -> Decision:
    rights, agreed = await held(bound, keys, interval, preview=preview)
    decided = decide(rights, agreed, ask)
    decided.require(ask)
    return decided


async def held(
    bound: Bound, keys: Sequence[int], interval: Interval, *, preview: UUID | None = None
) -> tuple[list[Right], Mapping[UUID, Agreement]]:
    """Give what there is to decide on: the reader's rights to streams within an interval, and the agreements behind."""
    rows = (await bound.connection.execute(_RIGHTS, {**_asked(keys, interval), "preview": preview})).all()
    rights = [
        Right(
            stream=row.stream,
            interval=Interval(start=row.start, until=row.until),
            tenure=row.tenure,
            owner=row.owner,
            trial=row.trial,
            kind=BasisKind(row.basis),
            agreement=row.agreement,
        )
        for row in rows
    ]
    found = {right.agreement for right in rights if right.agreement is not None}
    return rights, await agreements.of_ids(bound, found) if found else {}


def _asked(keys: Sequence[int], interval: Interval) -> dict[str, object]:
    return {"streams": list(keys), "start": interval.start, "until": min(interval.until, FOREVER)}


def _within(interval: Interval, gaps: Iterable[SegmentGap]) -> tuple[SegmentGap, ...]:
    clipped = ((gap, gap.interval.clipped(interval)) for gap in gaps)
    return tuple(replace(gap, interval=part) for gap, part in clipped if part is not None)


def _left(streams: Sequence[Stream], segments: Sequence[Segment], selection: Selection) -> Sequence[Segment]:
    if selection.after is None:
        return segments
    keys = {stream.id: stream.key for stream in streams}
    if selection.after.stream not in keys:
        raise InvalidCursor("This page belongs to a stream that you can no longer see; ask again without a cursor.")
    return remaining(
        segments,
        order=[stream.key for stream in streams],
        stream=keys[selection.after.stream],
        given=selection.after.time,
        step=selection.step,
    )


async def _samples(
    bound: Bound, selection: Selection, segments: Iterable[Segment]
) -> tuple[SampleRows, dict[int, set[Origin]], bool]:
    room = selection.limit
    rows: list[tuple[Any, ...]] = []
    numbers: list[int] = []
    origins: dict[int, set[Origin]] = {}
    more = False
    for segment in segments:
        if segment.basis.shape.resolution_floor is not None:
            continue
        asked = {
            "stream": segment.stream,
            "start": segment.interval.start,
            "until": segment.interval.until,
            "good_only": selection.status is StatusFilter.GOOD,
            "limit": room + 1,
            "under": segment.basis.agreement,
        }
        found = await fetch(bound, _SAMPLES, asked)
        more = len(found) > room
        del found[room:]
        rows += found
        numbers += [segment.number] * len(found)
        origins[segment.number] = {origin_of(column) for column in {row[4] for row in found}}
        room -= len(found)
        if more:
            break
    times, values, texts, statuses, _ = _transposed(rows, width=5)
    columns = SampleRows(
        times=instants(times),
        values=[value if words is None else words for value, words in zip(values, texts, strict=True)],
        statuses=[shown(status) for status in statuses],
        segments=numbers,
    )
    return columns, origins, more


def _transposed(rows: Sequence[tuple[Any, ...]], *, width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _position(rows: SampleRows | BucketRows, segments: Sequence[Segment], streams: Sequence[Stream]) -> Position:
    last = segments[rows.segments[-1]]
    ids = {stream.key: stream.id for stream in streams}
    return Position(stream=ids[last.stream], time=max(Instant(rows.times[-1]), last.interval.start))


def _with_origins(segments: Sequence[Segment], origins: Mapping[int, set[Origin]]) -> tuple[Segment, ...]:
    return tuple(replace(segment, origins=tuple(sorted(origins.get(segment.number, ())))) for segment in segments)
