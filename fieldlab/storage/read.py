"""Reading measurements: the decision first, then rows, in one transaction bound to the reader.

Every public function takes a `ReadScope` first. What the scope's participant may not see does not exist here: a hidden
stream is NotFound, a hidden stretch is absent. The database decides the same once more, in its views and functions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Stream
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.paging import remaining
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Basis, BasisKind, Segment, SegmentGap
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import FOREVER, Instant
from fieldlab.readings.origin import Origin, origin_of
from fieldlab.readings.status import shown
from fieldlab.storage.catalogue import resolve
from fieldlab.storage.selection import Aggregate, Answer, Bucket, Newest, Position, Sample, Selection, StatusFilter
from fieldlab.storage.transaction import Bound, reading

_SEGMENTS: Final = text(
    """
    SELECT stream, greatest(start, :start) AS start, least(until, :until) AS until, tenure, owner, trial, basis
    FROM visible.entitlement
    WHERE stream = ANY (:streams) AND start < :until AND until > :start
    ORDER BY array_position(:streams, stream), start
    """
)
"""The decision: which stretches of the asked streams the reader may see, cut at tenure boundaries."""

_GAPS: Final = text(
    """
    SELECT tenure, greatest(start, :start) AS start, least(until, :until) AS until, cause FROM visible.gap
    WHERE stream = ANY (:streams) AND start < :until AND until > :start ORDER BY start
    """
)
"""The known holes within those stretches."""

_SAMPLES: Final = text("SELECT * FROM visible.samples(:stream, :start, :until, :limit)")
"""The samples of one stretch, oldest first."""

_GOOD_SAMPLES: Final = text(
    """
    SELECT tenure, time, value, text, status, origin FROM visible.measurement
    WHERE tenure = :tenure AND stream = :stream AND time >= :start AND time < :until AND status = 0
    ORDER BY time LIMIT :limit
    """
)
"""The samples of one stretch whose status is good, oldest first."""

_LATEST: Final = text("SELECT * FROM visible.latest(:streams)")
"""The newest readable sample of each stream."""


def _buckets(good_only: bool) -> TextClause:  # noqa: FBT001 - one of two statements, chosen below
    return text(
        f"""
        SELECT s.number, time_bucket(make_interval(secs => :step / 1e6), m.time, timestamptz '1970-01-01Z') AS start,
               avg(m.value) AS mean, min(m.value) AS min, max(m.value) AS max, count(*) AS count,
               bit_or(1 << (m.origin & 15)) AS origins
        FROM unnest(CAST(:numbers AS integer[]), CAST(:streams AS integer[]), CAST(:tenures AS bigint[]),
                    CAST(:starts AS timestamptz[]), CAST(:untils AS timestamptz[]))
            AS s (number, stream, tenure, start, until)
        JOIN visible.measurement AS m
            ON m.tenure = s.tenure AND m.stream = s.stream AND m.time >= s.start AND m.time < s.until
        WHERE m.status {"= 0" if good_only else ">= 0"}
        GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :limit
        """  # noqa: S608 - two fixed texts
    )


_BUCKETS: Final = _buckets(good_only=False)
"""Aggregates of each stretch over the grid of the Unix epoch, of samples whose status is not bad."""

_GOOD_BUCKETS: Final = _buckets(good_only=True)
"""The same, of samples whose status is good."""


async def measurements(scope: ReadScope, engine: AsyncEngine, selection: Selection) -> Answer:
    """Answer one page of samples, or of buckets if the selection has a step.

    Raises NotFound for a stream that is not there or hidden.
    """
    async with reading(scope, engine) as bound:
        streams = await resolve(bound, selection.streams)
        segments = await _decide(bound, streams, selection.interval)
        left: Sequence[Segment] = segments
        if selection.after is not None:
            left = remaining(segments, stream=selection.after.stream, given=selection.after.time, step=selection.step)
        rows: list[Sample] | list[Bucket]
        if selection.step is None:
            rows, origins = await _samples(bound, selection, left)
        else:
            rows, origins = await _aggregated(bound, selection, selection.step, segments, left)
    more = len(rows) > selection.limit
    page = rows[: selection.limit]
    return Answer(
        decided_at=bound.decided_at,
        streams=streams,
        segments=_with_origins(segments, origins),
        rows=page,
        next=_position(page[-1], segments) if more else None,
    )


async def segments(scope: ReadScope, engine: AsyncEngine, selection: Selection) -> Answer:
    """Answer the decision alone: streams and segments, without a row."""
    async with reading(scope, engine) as bound:
        streams = await resolve(bound, selection.streams)
        decided = await _decide(bound, streams, selection.interval)
    return Answer(decided_at=bound.decided_at, streams=streams, segments=decided, rows=(), next=None)


async def latest(scope: ReadScope, engine: AsyncEngine, references: Sequence[str]) -> Newest:
    """Answer the newest readable value of each stream, one segment a row.

    Raises NotFound for a stream that is not there or hidden.
    """
    async with reading(scope, engine) as bound:
        streams = await resolve(bound, references)
        found = (await bound.connection.execute(_LATEST, {"streams": [stream.key for stream in streams]})).all()
    cut = tuple(
        Segment(
            number=number,
            stream=row.stream,
            interval=Interval(start=row.time, until=Instant(row.time + 1)),
            tenure=row.tenure,
            owner=row.owner,
            trial=row.trial,
            basis=Basis(kind=BasisKind(row.basis)),
            origins=_told({origin_of(row.origin)}),
        )
        for number, row in enumerate(found)
    )
    rows = tuple(
        Sample(
            time=row.time,
            stream=row.stream,
            value=row.value if row.text is None else row.text,
            status=shown(row.status),
            segment=number,
        )
        for number, row in enumerate(found)
    )
    return Newest(decided_at=bound.decided_at, streams=streams, segments=cut, rows=rows)


async def _decide(bound: Bound, streams: Sequence[Stream], interval: Interval) -> tuple[Segment, ...]:
    asked = {
        "streams": [stream.key for stream in streams],
        "start": interval.start,
        "until": min(interval.until, FOREVER),
    }
    rights = (await bound.connection.execute(_SEGMENTS, asked)).all()
    gaps: dict[int, list[SegmentGap]] = {}
    for row in await bound.connection.execute(_GAPS, asked):
        hole = SegmentGap(interval=Interval(start=row.start, until=row.until), cause=Cause(row.cause))
        gaps.setdefault(row.tenure, []).append(hole)
    return tuple(
        Segment(
            number=number,
            stream=row.stream,
            interval=Interval(start=row.start, until=row.until),
            tenure=row.tenure,
            owner=row.owner,
            trial=row.trial,
            basis=Basis(kind=BasisKind(row.basis)),
            gaps=tuple(gaps.get(row.tenure, ())),
        )
        for number, row in enumerate(rights)
    )


async def _samples(
    bound: Bound, selection: Selection, segments: Iterable[Segment]
) -> tuple[list[Sample], dict[int, set[Origin]]]:
    wanted = selection.limit + 1
    statement = _SAMPLES if selection.status is StatusFilter.ALL else _GOOD_SAMPLES
    rows: list[Sample] = []
    origins: dict[int, set[Origin]] = {}
    for segment in segments:
        asked = {
            "tenure": segment.tenure,
            "stream": segment.stream,
            "start": segment.interval.start,
            "until": segment.interval.until,
            "limit": wanted - len(rows),
        }
        found = (await bound.connection.execute(statement, asked)).all()
        number, stream = segment.number, segment.stream
        rows.extend(
            Sample(
                time=time, stream=stream, value=value if words is None else words, status=shown(status), segment=number
            )
            for _, time, value, words, status, _ in found
        )
        origins[number] = {origin_of(column) for column in {row[5] for row in found}}
        if len(rows) >= wanted:
            break
    return rows, origins


async def _aggregated(
    bound: Bound, selection: Selection, step: int, all_segments: Sequence[Segment], segments: Sequence[Segment]
) -> tuple[list[Bucket], dict[int, set[Origin]]]:
    statement = _BUCKETS if selection.status is StatusFilter.ALL else _GOOD_BUCKETS
    asked = {
        "step": step,
        "numbers": [segment.number for segment in segments],
        "streams": [segment.stream for segment in segments],
        "tenures": [segment.tenure for segment in segments],
        "starts": [segment.interval.start for segment in segments],
        "untils": [segment.interval.until for segment in segments],
        "limit": selection.limit + 1,
    }
    rows: list[Bucket] = []
    origins: dict[int, set[Origin]] = {}
    whole = {segment.number: segment for segment in all_segments}
    for row in await bound.connection.execute(statement, asked):
        segment = whole[row.number]
        computed = {
            Aggregate.MEAN: row.mean,
            Aggregate.MIN: row.min,
            Aggregate.MAX: row.max,
            Aggregate.COUNT: row.count,
        }
        rows.append(
            Bucket(
                time=row.start,
                stream=segment.stream,
                values=tuple(computed[aggregate] for aggregate in selection.aggregates),
                partial=row.start < segment.interval.start or row.start + step > segment.interval.until,
                segment=row.number,
            )
        )
        origins.setdefault(row.number, set()).update(o for o in Origin if row.origins >> o & 1)
    return rows, origins


def _position(last: Sample | Bucket, segments: Sequence[Segment]) -> Position:
    return Position(stream=last.stream, time=max(last.time, segments[last.segment].interval.start))


def _with_origins(segments: Sequence[Segment], origins: dict[int, set[Origin]]) -> tuple[Segment, ...]:
    return tuple(replace(segment, origins=_told(origins.get(segment.number, set()))) for segment in segments)


def _told(origins: set[Origin]) -> tuple[Origin, ...]:
    return tuple(sorted(origins - {Origin.LIVE}))
