"""Reading measurements: the decision first, then rows, in one transaction bound to the reader.

Every public function takes a `ReadScope` first. What the scope's participant may not see does not exist here: a hidden
stream is NotFound, a hidden stretch is absent. The database decides the same once more, in its views and functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from fieldlab.assets.asset import Kind, Stream
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.access import AccessKind
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.paging import later, remaining
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.calendar import Calendar
from fieldlab.readings.duration import format_step
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage import buckets, chart, newest, samples
from fieldlab.storage.columns import ints, origins_in, sample_batch
from fieldlab.storage.deciding import Decided, Question, deciding
from fieldlab.storage.filled import FilledLeft, Filling
from fieldlab.storage.newest import Newest
from fieldlab.storage.pool import Pool
from fieldlab.storage.samples import Wish
from fieldlab.storage.selection import Answer, Layout, Position, Rest, Selection, StatusFilter, Wanted
from fieldlab.storage.windows import Windows, WindowsLeft, axis

FIRST: Final = 16_384
"""Rows of the first batch of a long answer: what the first byte waits for."""

_Origins = Mapping[int, set[Origin]]


async def measurements(scope: ReadScope, pool: Pool, selection: Selection) -> Answer:
    """Answer one page of samples, or of buckets if the selection has a step; without a limit a first batch and a rest.

    Raises NotFound for a stream that is not there or hidden, InvalidCursor for a page after a stream that is not asked,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    at = selection.as_of
    question = Question(
        streams=selection.streams,
        interval=selection.interval if at is None else Interval(start=at, until=Instant(at + 1)),
        ask=selection.ask,
        kind=AccessKind.PREVIEW if selection.preview else selection.kind,
        entry=selection.entry,
        preview=selection.preview,
        shape=_shape(selection),
    )
    async with deciding(scope, pool, question) as decided:
        if selection.as_of is not None:
            good_only = selection.status is StatusFilter.GOOD
            return (await newest.in_force(decided, selection.as_of, good_only=good_only)).answer()
        if selection.points is not None:
            rows = await chart.chart(decided, selection, selection.points)
            return _answer(decided, rows, origins_in(rows))
        if selection.layout is Layout.WIDE:
            return await _wide(scope, pool, decided, selection)
        if selection.step is not None:
            read = _buckets if selection.fill is Fill.NONE else _filled
            return await read(scope, pool, decided, selection)
        return await _samples(scope, pool, decided, selection)


async def decision(scope: ReadScope, pool: Pool, selection: Selection) -> Answer:
    """Answer with the segments alone, and read nothing; it raises as `measurements` does."""
    question = Question(
        streams=selection.streams,
        interval=selection.interval,
        ask=selection.ask,
        kind=selection.kind,
        shape=_shape(selection),
    )
    async with deciding(scope, pool, question) as decided:
        await decided.close()
        return _answer(decided, sample_batch((), with_text=False), None)


async def latest(scope: ReadScope, pool: Pool, streams: Wanted, ask: Ask = NOTHING_SAID) -> Newest:
    """Answer the newest readable value of each stream, one segment a row; a stream without a value has no row.

    Nothing is newest below a resolution floor. Raises NotFound for a stream that is not there or hidden,
    OutsideAgreement for a purpose or format that an agreement does not allow.
    """
    if isinstance(streams, tuple) and (found := await newest.own(scope, pool, streams, ask)) is not None:
        return found
    question = Question(streams=streams, interval=ALWAYS, ask=ask, kind=AccessKind.LATEST)
    async with deciding(scope, pool, question) as decided:
        return await newest.latest(decided)


async def _wide(scope: ReadScope, pool: Pool, decided: Decided, selection: Selection) -> Answer:
    segments, entry = decided.segments, decided.entry
    wish = _wish(decided, selection)

    def rest(left: tuple[Segment, ...]) -> Rest:
        if selection.step is None:
            return samples.SamplesLeft(scope=scope, pool=pool, entry=entry, segments=segments, left=left, wish=wish)
        if selection.fill is Fill.NONE:
            return buckets.BucketsLeft(
                scope=scope, pool=pool, entry=entry, segments=segments, left=left, selection=selection
            )
        return FilledLeft(filling=_filling(scope, pool, decided, selection), left=left)

    empty = sample_batch((), with_text=wish.with_text) if selection.step is None else buckets.none(selection)
    left = _left(decided, selection)
    if selection.step is None:
        left = [segment for segment in left if segment.basis.shape.resolution_floor is None]
    await decided.close()
    windows = Windows(rest=rest, empty=empty, step=selection.step)
    stretch = await windows.read(left, None)
    if selection.limit is None:
        if not stretch.left:
            return _answer(decided, stretch.rows, origins_in(stretch.rows))
        return _answer(decided, stretch.rows, None, rest=WindowsLeft(windows=windows, stretch=stretch))
    while not len(stretch.rows) and stretch.left:
        stretch = await windows.read(stretch.left, stretch.length)
    rows, more = _first_times(stretch.rows, segments, selection.limit)
    page = _answer(decided, rows, origins_in(rows))
    if not (more or stretch.left):
        return page
    return replace(page, next=Position(stream=None, time=Instant(ints(rows, "time").max())))


def _first_times(rows: pa.RecordBatch, segments: Sequence[Segment], limit: int) -> tuple[pa.RecordBatch, bool]:
    """Give the rows of the first times of the axis, at most so many but all of one time; and whether there are more."""
    if not len(rows):
        return rows, False
    times, places = axis(rows, np.array([segment.stream for segment in segments], dtype=np.int64))
    if len(times) <= limit:
        return rows, False
    kept = max(int(np.searchsorted(times, times[limit])), int(np.searchsorted(times, times[0], side="right")))
    return rows.filter(pa.array(places < kept)), kept < len(times)


def _wish(decided: Decided, selection: Selection) -> Wish:
    return Wish(
        with_text=any(stream.kind is Kind.TEXT for stream in decided.streams),
        good_only=selection.status is StatusFilter.GOOD,
    )


async def _filled(scope: ReadScope, pool: Pool, decided: Decided, selection: Selection) -> Answer:
    filling = _filling(scope, pool, decided, selection)
    page = await filling.first(decided, _left(decided, selection))
    if selection.limit is not None or not page.more:
        return _answer(decided, page.rows, origins_in(page.rows), more=page.more)
    return _answer(decided, page.rows, None, rest=FilledLeft(filling=filling, left=page.left))


def _filling(scope: ReadScope, pool: Pool, decided: Decided, selection: Selection) -> Filling:
    return Filling(
        scope=scope,
        pool=pool,
        entry=decided.entry,
        selection=selection,
        segments=decided.segments,
        now=decided.decided_at,
    )


async def _buckets(scope: ReadScope, pool: Pool, decided: Decided, selection: Selection) -> Answer:
    page = await buckets.first(decided, selection, _left(decided, selection))
    if selection.limit is not None or not page.more:
        return _answer(decided, page.rows, origins_in(page.rows), more=page.more)
    rest = buckets.BucketsLeft(
        scope=scope,
        pool=pool,
        entry=decided.entry,
        segments=decided.segments,
        left=page.left,
        selection=selection,
    )
    return _answer(decided, page.rows, None, rest=rest)


async def _samples(scope: ReadScope, pool: Pool, decided: Decided, selection: Selection) -> Answer:
    left = _left(decided, selection)
    wish = _wish(decided, selection)
    if selection.limit is not None:
        part = await samples.first(decided, left, wish, at_most=selection.limit + 1)
        rows = part.rows[: selection.limit]
        return _answer(decided, rows, origins_in(rows), more=len(part.rows) > selection.limit)
    part = await samples.first(decided, left, wish, at_most=FIRST)
    if not part.left:
        return _answer(decided, part.rows, origins_in(part.rows))
    rest = samples.SamplesLeft(
        scope=scope, pool=pool, entry=decided.entry, segments=decided.segments, left=part.left, wish=wish
    )
    return _answer(decided, part.rows, None, rest=rest)


def _shape(selection: Selection) -> dict[str, object]:
    shape: dict[str, object] = {"format": selection.ask.format, "status": selection.status}
    if selection.points is not None:
        return {**shape, "points": selection.points}
    if selection.as_of is not None:
        return {**shape, "as_of": str(selection.as_of)}
    if selection.step is None:
        return shape
    zone = {"time_zone": selection.step.zone} if isinstance(selection.step, Calendar) else {}
    filled = {} if selection.fill is Fill.NONE else {"fill": selection.fill}
    return {**shape, "step": format_step(selection.step), **zone, "aggregate": list(selection.aggregates), **filled}


def _left(decided: Decided, selection: Selection) -> Sequence[Segment]:
    if selection.after is None:
        return decided.segments
    if selection.after.stream is None:
        return later(decided.segments, given=selection.after.time, step=selection.step)
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
