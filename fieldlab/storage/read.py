"""Reading measurements: the decision first, then rows, in one transaction bound to the reader.

Every public function takes a `ReadScope` first. What the scope's participant may not see does not exist here: a hidden
stream is NotFound, a hidden stretch is absent. The database decides the same once more, in its views and functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from fieldlab.assets.asset import Kind, Stream
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.access import AccessKind
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.paging import remaining
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.calendar import Calendar
from fieldlab.readings.duration import format_step
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin, origin_of
from fieldlab.readings.status import shown
from fieldlab.storage import buckets, samples
from fieldlab.storage.columns import TIME, instants, ints, origins_in, sample_schema
from fieldlab.storage.deciding import Decided, Question, deciding
from fieldlab.storage.pool import Pool
from fieldlab.storage.samples import Wish
from fieldlab.storage.selection import Answer, Position, Rest, Selection, StatusFilter, Wanted

FIRST: Final = 16_384
"""Rows of the first batch of a long answer: what the first byte waits for."""

_LATEST: Final = """
    SELECT stream, tenure, owner, trial, agreement, time, value, text, status, origin
    FROM visible.latest(%(streams)s, CAST(%(under)s AS uuid[]))
"""
"""The newest readable sample of each stream."""

_Origins = Mapping[int, set[Origin]]


async def measurements(scope: ReadScope, pool: Pool, selection: Selection) -> Answer:
    """Answer one page of samples, or of buckets if the selection has a step; without a limit a first batch and a rest.

    Raises NotFound for a stream that is not there or hidden, InvalidCursor for a page after a stream that is not asked,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    question = Question(
        streams=selection.streams,
        interval=selection.interval,
        ask=selection.ask,
        kind=AccessKind.PREVIEW if selection.preview else selection.kind,
        preview=selection.preview,
        shape=_shape(selection),
    )
    async with deciding(scope, pool, question) as decided:
        left = _left(decided, selection)
        if selection.step is not None:
            page = await buckets.first(decided, selection, left)
            if selection.limit is None and page.more:
                following = buckets.BucketsLeft(
                    scope=scope, pool=pool, segments=decided.segments, left=page.left, selection=selection
                )
                return _answer(decided, page.rows, None, rest=following)
            return _answer(decided, page.rows, origins_in(page.rows), more=page.more)
        wish = Wish(
            with_text=any(stream.kind is Kind.TEXT for stream in decided.streams),
            good_only=selection.status is StatusFilter.GOOD,
        )
        if selection.limit is not None:
            part = await samples.first(decided, left, wish, at_most=selection.limit + 1)
            rows = part.rows[: selection.limit]
            return _answer(decided, rows, origins_in(rows), more=len(part.rows) > selection.limit)
        part = await samples.first(decided, left, wish, at_most=FIRST)
        if not part.left:
            return _answer(decided, part.rows, origins_in(part.rows))
        rest = samples.SamplesLeft(scope=scope, pool=pool, segments=decided.segments, left=part.left, wish=wish)
        return _answer(decided, part.rows, None, rest=rest)


async def latest(scope: ReadScope, pool: Pool, streams: Wanted, ask: Ask = NOTHING_SAID) -> Answer:
    """Answer the newest readable value of each stream, one segment a row; a stream without a value has no row.

    Nothing is newest below a resolution floor. Raises NotFound for a stream that is not there or hidden,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    question = Question(streams=streams, interval=ALWAYS, ask=ask, kind=AccessKind.LATEST)
    async with deciding(scope, pool, question) as decided:
        bases = {segment.basis.agreement: segment.basis for segment in decided.segments}
        asked = {
            "streams": [stream.key for stream in decided.streams],
            "under": [id_ for id_ in bases if id_ is not None],
        }
        newest = await decided.read(_LATEST, asked)
    with_text = any(stream.kind is Kind.TEXT for stream in decided.streams)
    times = instants([row[5] for row in newest])
    segments = tuple(
        Segment(
            number=number,
            stream=stream,
            interval=Interval(start=Instant(times[number]), until=Instant(times[number] + 1)),
            tenure=tenure,
            owner=owner,
            trial=trial,
            basis=bases[agreement],
            origins=(origin_of(origin),),
        )
        for number, (stream, tenure, owner, trial, agreement, *_, origin) in enumerate(newest)
    )
    columns = {
        "time": pa.array(times, pa.int64()).cast(TIME),
        "value": pa.array([row[6] for row in newest], pa.float64()),
        "text": pa.array([row[7] for row in newest], pa.string()),
        "status": pa.array([shown(row[8]) for row in newest], pa.uint16()),
        "origin": pa.array([origin_of(row[9]) for row in newest], pa.int8()),
        "segment": pa.array(range(len(newest)), pa.int32()),
    }
    schema = sample_schema(with_text=with_text)
    return Answer(
        decided_at=decided.decided_at,
        interval=ALWAYS,
        streams=decided.streams,
        segments=segments,
        rows=pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema),
        access=decided.access,
    )


def _shape(selection: Selection) -> dict[str, object]:
    shape: dict[str, object] = {"format": selection.ask.format, "status": selection.status}
    if selection.step is None:
        return shape
    zone = {"time_zone": selection.step.zone} if isinstance(selection.step, Calendar) else {}
    return {**shape, "step": format_step(selection.step), **zone, "aggregate": list(selection.aggregates)}


def _left(decided: Decided, selection: Selection) -> Sequence[Segment]:
    if selection.after is None:
        return decided.segments
    keys = {stream.id: stream.key for stream in decided.streams}
    if selection.after.stream not in keys:
        raise InvalidCursor("This page belongs to a stream that you can no longer see; ask again without a cursor.")
    return remaining(
        decided.segments,
        order=[stream.key for stream in decided.streams],
        stream=keys[selection.after.stream],
        given=selection.after.time,
        step=selection.step,
    )


def _answer(
    decided: Decided, rows: pa.RecordBatch, origins: _Origins | None, *, more: bool = False, rest: Rest | None = None
) -> Answer:
    return Answer(
        decided_at=decided.decided_at,
        interval=decided.interval,
        streams=decided.streams,
        segments=decided.segments if origins is None else _with_origins(decided.segments, origins),
        rows=rows,
        next=_position(rows, decided.segments, decided.streams) if more else None,
        rest=rest,
        access=decided.access,
    )


def _position(rows: pa.RecordBatch, segments: Sequence[Segment], streams: Sequence[Stream]) -> Position:
    last = segments[int(ints(rows, "segment")[-1])]
    ids = {stream.key: stream.id for stream in streams}
    return Position(stream=ids[last.stream], time=max(Instant(ints(rows, "time")[-1]), last.interval.start))


def _with_origins(segments: Sequence[Segment], origins: _Origins) -> tuple[Segment, ...]:
    return tuple(replace(segment, origins=tuple(sorted(origins.get(segment.number, ())))) for segment in segments)
