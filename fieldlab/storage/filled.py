"""Buckets without holes: a row for every bucket of the asked range, filled from its own segment and no other."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fieldlab.errors import InvalidInterval
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.fill import FILLED, Fill, fill_in
from fieldlab.readings.instant import Instant
from fieldlab.storage.again import confirm, in_bound
from fieldlab.storage.buckets import BATCH, Cut, Page
from fieldlab.storage.columns import TIME, ints
from fieldlab.storage.deciding import Decided, borrowed
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Selection

_NEAR: Final = 1_024
_FARTHER: Final = 8
"""How many buckets away a neighbour is looked for at first, and how much farther each time there is none."""

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Window:
    """What is read at once: pieces of segments, the number and start of each of their buckets, and what follows."""

    segments: tuple[Segment, ...]
    numbers: Int32
    starts: Int64
    left: tuple[Segment, ...]

    @property
    def slots(self) -> Int64:
        """Give each bucket's place where every piece has a free place before and after it."""
        pieces = np.cumsum(np.diff(self.numbers, prepend=self.numbers[:1]) != 0)
        slots: Int64 = np.arange(len(self.numbers)) + 2 * pieces + 1
        return slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """The buckets of an answer, in pages or batches; `segments` are the decided ones, `now` the end of filling."""

    scope: ReadScope
    pool: Pool
    entry: UUID | None
    selection: Selection
    segments: tuple[Segment, ...]
    now: Instant

    async def first(self, decided: Decided, left: Sequence[Segment]) -> Page:
        """Read the first page or batch, and end the decision's transaction.

        Raises InvalidInterval for a range without a beginning.
        """
        window = self._window(left, self.selection.limit or BATCH)
        cut = Cut.of(self.selection, window.segments)
        found = await decided.read(cut.statement, cut.parameters(window.segments, len(window.starts)))
        rows = cut.page(found, self.segments, window.segments, len(window.starts)).rows
        return Page(rows=await self._laid_out(window, rows), left=window.left, more=bool(window.left))

    async def next(self, left: Sequence[Segment]) -> Page:
        """Read a later batch."""
        await confirm(self.scope, self.pool, left)
        window = self._window(left, BATCH)
        rows = await self._read(window.segments, len(window.starts))
        return Page(rows=await self._laid_out(window, rows), left=window.left, more=bool(window.left))

    async def _read(self, segments: Sequence[Segment], room: int) -> pa.RecordBatch:
        cut = Cut.of(self.selection, segments)
        async with borrowed(self.pool) as connection:
            asked = cut.parameters(segments, room)
            found = await in_bound(self.scope, connection, cut.statement, asked, entry=self.entry)
        return cut.page(found, self.segments, segments, room).rows

    def _window(self, left: Sequence[Segment], room: int) -> _Window:
        pieces: list[Segment] = []
        numbers: list[Int32] = []
        starts: list[Int64] = []
        rest: list[Segment] = []
        for place, segment in enumerate(left):
            if room == 0:
                rest.extend(left[place:])
                break
            ended = _until(segment, self.now)
            edges = _edges(ended, self._step, room) if ended else np.empty(0, np.int64)
            if ended is None or len(edges) < 2:  # noqa: PLR2004 - a bucket has two ends
                continue
            until = min(Instant(edges[-1]), ended.interval.until)
            pieces.append(replace(ended, interval=Interval(start=ended.interval.start, until=until)))
            starts.append(edges[:-1])
            numbers.append(np.full(len(edges) - 1, segment.number, dtype=np.int32))
            room -= len(edges) - 1
            if until < ended.interval.until and not _rest_is_cut(ended, until, self._step):
                rest.append(replace(segment, interval=Interval(start=until, until=segment.interval.until)))
        none = np.empty(0, np.int64)
        return _Window(
            segments=tuple(pieces),
            numbers=np.concatenate([*numbers, none.astype(np.int32)]),
            starts=np.concatenate([*starts, none]),
            left=tuple(rest),
        )

    @property
    def _step(self) -> Step:
        return self.selection.step or 1

    async def _laid_out(self, window: _Window, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give each bucket of the window its row, and fill those that have none."""
        places = _places(window, rows)
        there = np.zeros(len(window.starts), dtype=np.bool_)
        there[places] = True
        neighbours = await self._neighbours(window, there)
        columns: dict[str, pa.Array] = {"time": pa.array(window.starts, pa.int64()).cast(TIME)}
        for aggregate in self.selection.aggregates:
            if aggregate is Aggregate.COUNT:
                columns[aggregate.value] = self._counts(window, rows, places)
            else:
                columns[aggregate.value] = self._values(aggregate, window, rows, places, neighbours)
        origins = np.zeros(len(window.starts), dtype=np.int32)
        origins[places] = ints(rows, "origins")
        columns["partial"] = pa.array(self._partial(window))
        columns["filled"] = pa.array(~there)
        columns["origins"] = pa.array(origins)
        columns["segment"] = pa.array(window.numbers)
        return pa.RecordBatch.from_pydict(columns)

    async def _neighbours(self, window: _Window, there: NDArray[np.bool_]) -> list[tuple[int, pa.RecordBatch]]:
        """Find the rows beside pieces that are cut out of their segments, each with its slot; see `_Window.slots`."""
        found: list[tuple[int, pa.RecordBatch]] = []
        if self.selection.fill in {Fill.NONE, Fill.NULL}:
            return found
        slots = window.slots
        for piece in window.segments:
            whole = _until(self.segments[piece.number], self.now)
            own = np.flatnonzero(window.numbers == piece.number)
            begun, ends = (whole or piece).interval.start, (whole or piece).interval.until
            if not there[own[0]] and begun < piece.interval.start:
                before = Interval(start=begun, until=piece.interval.start)
                row = await self._nearest(piece, before, backwards=True)
                found += [(int(slots[own[0]]) - 1, row)] if row is not None else []
            if self.selection.fill is Fill.LINEAR and not there[own[-1]] and piece.interval.until < ends:
                after = Interval(start=piece.interval.until, until=ends)
                row = await self._nearest(piece, after, backwards=False)
                found += [(int(slots[own[-1]]) + 1, row)] if row is not None else []
        return found

    async def _nearest(self, segment: Segment, within: Interval, *, backwards: bool) -> pa.RecordBatch | None:
        """Find the nearest bucket that has samples, in ever longer stretches."""
        for stretch in _stretches(within, self._step, backwards=backwards):
            rows = await self._read([replace(segment, interval=stretch)], 2_000_000 if backwards else 1)
            if len(rows):
                return rows[-1:] if backwards else rows[:1]
        return None

    def _counts(self, window: _Window, rows: pa.RecordBatch, places: Int64) -> pa.Array:
        column = rows.column(Aggregate.COUNT.value)
        counts = np.zeros(len(window.starts), dtype=np.int64)
        counts[places] = column.fill_null(0).to_numpy(zero_copy_only=False)
        floored = {s.number for s in self.segments if s.basis.shape.resolution_floor is not None}
        unknown = np.isin(window.numbers, list(floored))
        unknown[places] = column.is_null().to_numpy(zero_copy_only=False)
        return pa.array(counts, mask=unknown)

    def _values(
        self,
        aggregate: Aggregate,
        window: _Window,
        rows: pa.RecordBatch,
        places: Int64,
        neighbours: Sequence[tuple[int, pa.RecordBatch]],
    ) -> pa.Array:
        slots = window.slots
        size = len(slots) + 2 * len(window.segments)
        values, known = np.zeros(size), np.zeros(size, dtype=np.bool_)
        times, numbers = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int32)
        for shift in (-1, 1, 0):  # what stands beside a piece belongs to it
            times[slots + shift], numbers[slots + shift] = window.starts, window.numbers
        for at, batch in ((slots[places], rows), *((np.array([slot]), row) for slot, row in neighbours)):
            column = batch.column(aggregate.value)
            known[at] = column.is_valid().to_numpy(zero_copy_only=False)
            values[at] = column.fill_null(0).to_numpy(zero_copy_only=False)
            times[at] = ints(batch, "time")
        if aggregate in FILLED:
            values, known = fill_in(self.selection.fill, numbers, times, values, known)
        return pa.array(values[slots], mask=~known[slots])

    def _partial(self, window: _Window) -> NDArray[np.bool_]:
        bounds = np.array([(s.interval.start, s.interval.until) for s in self.segments], dtype=np.int64).reshape(-1, 2)
        ends = Cut.of(self.selection, window.segments).ends(window.starts)
        partial: NDArray[np.bool_] = (window.starts < bounds[window.numbers, 0]) | (ends > bounds[window.numbers, 1])
        return partial


@dataclass(frozen=True, kw_only=True, slots=True)
class FilledLeft:
    """The rows after the first batch of an answer; see `fieldlab.storage.selection.Rest`."""

    filling: Filling
    left: tuple[Segment, ...]

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Give the batches; raises RightEnded."""
        left = self.left
        while left:
            page = await self.filling.next(left)
            left = page.left
            yield page.rows

    async def confirm(self, batch: pa.RecordBatch) -> None:
        """Raise RightEnded unless the reader still has its right to every segment of a batch."""
        numbers = np.unique(ints(batch, "segment")).tolist()
        await confirm(self.filling.scope, self.filling.pool, [self.filling.segments[number] for number in numbers])


def _until(segment: Segment, now: Instant) -> Segment | None:
    """Cut a segment off at the present: nothing is filled in what has not been yet."""
    start, until = segment.interval.start, min(segment.interval.until, now)
    return replace(segment, interval=Interval(start=start, until=until)) if start < until else None


def _edges(segment: Segment, step: Step, room: int) -> Int64:
    """Give the bounds of at most so many buckets of a segment; under a floor of whole ones alone."""
    start, until = segment.interval.start, segment.interval.until
    if not start.finite:
        raise InvalidInterval("fill needs to know where to begin; give from, or last.")
    if isinstance(step, Calendar):
        edges = step.edges(start, until)
    else:
        first = start // step * step
        edges = first + step * np.arange(min(-(-(until - first) // step), room + 1) + 1, dtype=np.int64)
    if segment.basis.shape.resolution_floor is not None:
        edges = edges[(edges >= start) & (edges <= until)]
    return edges[: room + 1]


def _rest_is_cut(segment: Segment, until: Instant, step: Step) -> bool:
    """Tell whether what follows is less than a bucket, which nobody under a floor gets."""
    return segment.basis.shape.resolution_floor is not None and len(_edges(_from(segment, until), step, 1)) < 2  # noqa: PLR2004


def _from(segment: Segment, start: Instant) -> Segment:
    return replace(segment, interval=Interval(start=start, until=segment.interval.until))


def _places(window: _Window, rows: pa.RecordBatch) -> Int64:
    """Find the place of each row among the buckets of the window."""
    numbers, times = ints(rows, "segment"), ints(rows, "time")
    places = np.zeros(len(rows), dtype=np.int64)
    for number in np.unique(numbers).tolist():
        own, grid = numbers == number, np.flatnonzero(window.numbers == number)
        places[own] = grid[0] + np.searchsorted(window.starts[grid], times[own])
    return places


def _stretches(within: Interval, step: Step, *, backwards: bool) -> Iterator[Interval]:
    if isinstance(step, Calendar):
        yield within
        return
    length, start, until = _NEAR * step, within.start, within.until
    while start < until:
        if backwards:
            cut = max(start, Instant(until - length))
            yield Interval(start=cut, until=until)
            until = cut
        else:
            cut = min(until, Instant(start + length))
            yield Interval(start=start, until=cut)
            start = cut
        length *= _FARTHER
