"""Buckets of samples, aggregated by the database within the transaction of the decision."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fieldlab.ownership.paging import remaining
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import Instant
from fieldlab.storage.again import confirm, in_bound
from fieldlab.storage.columns import TIME, instants, ints
from fieldlab.storage.deciding import Decided, borrowed
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Selection, StatusFilter

_BUCKETS: Final = """
    SELECT number, start, origins, mean, lowest, highest, count, total, first, last, spread, median, p5, p25, p75, p95,
           p99, rate, delta, time_weighted_mean
    FROM visible.buckets(%(numbers)s, %(streams)s, %(tenures)s, %(starts)s, %(untils)s, %(step)s, %(good_only)s,
                         %(limit)s, %(under)s, %(edges)s::timestamptz[], %(wanted)s, %(rolled)s)
"""
"""Aggregates of each stretch over its buckets, of samples whose status is not bad, or only good."""

_SIMPLE: Final = """
    SELECT number, start, origins, mean, lowest, highest, count
    FROM visible.buckets(%(numbers)s, %(streams)s, %(tenures)s, %(starts)s, %(untils)s, %(step)s, %(good_only)s,
                         %(limit)s, %(under)s, %(edges)s::timestamptz[], %(wanted)s, %(rolled)s)
"""
"""The same, of the aggregates that are asked most."""

_FOUR: Final = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT)
_ALL: Final = tuple(Aggregate)
"""The order in which these statements give them."""

BATCH: Final = 50_000
"""Buckets of a batch of a long answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Buckets, and what is left of the segments after them."""

    rows: pa.RecordBatch
    left: tuple[Segment, ...]
    more: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketsLeft:
    """The buckets after the first batch of an answer; see `fieldlab.storage.selection.Rest`."""

    scope: ReadScope
    pool: Pool
    entry: UUID | None
    segments: tuple[Segment, ...]
    left: tuple[Segment, ...]
    selection: Selection

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Give the batches; raises RightEnded."""
        left = self.left
        while left:
            await confirm(self.scope, self.pool, left)
            cut = Cut.of(self.selection, left)
            async with borrowed(self.pool) as connection:
                asked = cut.parameters(left, BATCH)
                found = await in_bound(self.scope, connection, cut.statement, asked, entry=self.entry)
            page = cut.page(found, self.segments, left, BATCH)
            left = page.left
            yield page.rows

    async def confirm(self, batch: pa.RecordBatch) -> None:
        """Raise RightEnded unless the reader still has its right to every segment of a batch."""
        numbers = np.unique(ints(batch, "segment")).tolist()
        await confirm(self.scope, self.pool, [self.segments[number] for number in numbers])


def none(selection: Selection) -> pa.RecordBatch:
    """Give no buckets at all, in the columns that a selection asks for."""
    counted = {one: pa.int64() if one is Aggregate.COUNT else pa.float64() for one in selection.aggregates}
    filled = {} if selection.fill is Fill.NONE else {"filled": pa.bool_()}
    named = {one.value: kind for one, kind in counted.items()}
    columns = {"time": TIME, **named, "partial": pa.bool_(), **filled, "origins": pa.int32(), "segment": pa.int32()}
    return pa.RecordBatch.from_pylist([], schema=pa.schema(list(columns.items())))


async def first(decided: Decided, selection: Selection, left: Sequence[Segment]) -> Page:
    """Read the first page or batch of buckets, and end the decision's transaction.

    Raises InvalidInterval for a step of the calendar over an open range.
    """
    room = selection.limit or BATCH
    cut = Cut.of(selection, left)
    found = await decided.read(cut.statement, cut.parameters(left, room))
    return cut.page(found, decided.segments, left, room)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cut:
    """How stretches are cut into buckets: by a width, or between edges where the calendar counts."""

    selection: Selection
    step: Step
    edges: NDArray[np.int64] | None

    @classmethod
    def of(cls, selection: Selection, left: Sequence[Segment]) -> "Cut":
        """Work the edges out, if the step needs them."""
        step = selection.step or 0
        if not isinstance(step, Calendar) or not left:
            return cls(selection=selection, step=step, edges=None)
        first_ = min(segment.interval.start for segment in left)
        edges = step.edges(first_, max(segment.interval.until for segment in left))
        return cls(selection=selection, step=step, edges=edges)

    @property
    def given(self) -> tuple[Aggregate, ...]:
        """Give the aggregates in the order in which the statement gives them."""
        return _FOUR if set(self.selection.aggregates) <= set(_FOUR) else _ALL

    @property
    def statement(self) -> LiteralString:
        """Give the statement that reads them."""
        return _SIMPLE if self.given is _FOUR else _BUCKETS

    def parameters(self, left: Sequence[Segment], room: int) -> dict[str, object]:
        """Give what the statement is asked with: which stretches, and how many buckets there is room for."""
        under = [segment.basis.agreement for segment in left]
        return {
            "step": None if isinstance(self.step, Calendar) else self.step,
            "edges": None if self.edges is None else [Instant(edge) for edge in self.edges.tolist()],
            "wanted": [aggregate.value for aggregate in self.selection.aggregates],
            "rolled": self.selection.rolled,
            "numbers": [segment.number for segment in left],
            "streams": [segment.stream for segment in left],
            "tenures": [segment.tenure for segment in left],
            "starts": [segment.interval.start for segment in left],
            "untils": [segment.interval.until for segment in left],
            "good_only": self.selection.status is StatusFilter.GOOD,
            "limit": room + 1,  # one more than there is room for tells whether there is more
            "under": under if any(under) else None,
        }

    def ends(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the ends of the buckets that start at these times."""
        if self.edges is None:
            return starts + (self.step if isinstance(self.step, int) else 0)
        ended: NDArray[np.int64] = self.edges[np.searchsorted(self.edges, starts, side="right")]
        return ended

    def page(
        self, found: list[tuple[Any, ...]], segments: Sequence[Segment], left: Sequence[Segment], room: int
    ) -> Page:
        """Make rows of what the statement gave, and tell what is left after them."""
        more = len(found) > room
        del found[room:]
        numbers, starts, seen, *aggregates = zip(*found, strict=True) if found else ((),) * (3 + len(self.given))
        number = np.array(numbers, dtype=np.int32)
        start = instants(starts)
        bounds = np.array([(s.interval.start, s.interval.until) for s in segments], dtype=np.int64).reshape(-1, 2)
        computed = dict(zip(self.given, aggregates, strict=True))
        rows = pa.RecordBatch.from_pydict(
            {
                "time": pa.array(start, pa.int64()).cast(TIME),
                **{
                    one.value: pa.array(computed[one], pa.int64() if one is Aggregate.COUNT else pa.float64())
                    for one in self.selection.aggregates
                },
                "partial": pa.array((start < bounds[number, 0]) | (self.ends(start) > bounds[number, 1])),
                "origins": pa.array(seen, pa.int32()),
                "segment": pa.array(number),
            }
        )
        last = next((s for s in left if more and s.number == numbers[-1]), None)
        rest = (
            remaining(
                left,
                order=list(dict.fromkeys(s.stream for s in left)),
                stream=last.stream,
                given=max(Instant(start[-1]), last.interval.start),
                step=self.step,
            )
            if last
            else ()
        )
        return Page(rows=rows, left=rest, more=more)
