"""Reading buckets: aggregates of the segments that were decided, each over its own stretch and nothing beyond."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage.columns import fetch, instants
from fieldlab.storage.selection import BucketRows, Int64, StatusFilter
from fieldlab.storage.transaction import Bound

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucketing:
    """How to cut stretches into buckets, and what to compute over each.

    `rolled` tells whether rollups are read where they can answer; None leaves it to the database.
    """

    step: Step
    aggregates: tuple[Aggregate, ...]
    status: StatusFilter
    limit: int
    rolled: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Buckets:
    """Rows of buckets, the origins of what is in each segment's, and whether there are more."""

    rows: BucketRows
    origins: Mapping[int, set[Origin]]
    more: bool


async def buckets(bound: Bound, asked: Bucketing, decided: Sequence[Segment], left: Sequence[Segment]) -> Buckets:
    """Read the buckets of what is left of the decided segments, by segment and time, at most so many.

    Raises InvalidInterval for a step of the calendar over an open range.
    """
    edges = _edges(asked.step, left)
    under = [segment.basis.agreement for segment in left]
    parameters = {
        "step": None if isinstance(asked.step, Calendar) else asked.step,
        "edges": None if edges is None else [Instant(edge) for edge in edges.tolist()],
        "wanted": [aggregate.value for aggregate in asked.aggregates],
        "rolled": asked.rolled,
        "numbers": [segment.number for segment in left],
        "streams": [segment.stream for segment in left],
        "tenures": [segment.tenure for segment in left],
        "starts": [segment.interval.start for segment in left],
        "untils": [segment.interval.until for segment in left],
        "good_only": asked.status is StatusFilter.GOOD,
        "limit": asked.limit + 1,
        "under": under if any(under) else None,
    }
    simple = set(asked.aggregates) <= set(_FOUR)
    found = await fetch(bound, _SIMPLE if simple else _BUCKETS, parameters) if left else []
    more = len(found) > asked.limit
    del found[asked.limit :]
    given = _FOUR if simple else _ALL
    numbers, starts, seen, *computed = _transposed(found, width=3 + len(given))
    times = instants(starts)
    by_aggregate = dict(zip(given, computed, strict=True))
    rows = BucketRows(
        times=times,
        aggregates={aggregate: by_aggregate[aggregate] for aggregate in asked.aggregates},
        partial=_partial(times, ends(times, asked.step, edges), numbers, decided),
        segments=numbers,
    )
    return Buckets(rows=rows, origins=dict(_origins(numbers, seen)), more=more)


def ends(times: Int64, step: Step, edges: Int64 | None) -> Int64:
    """Give the ends of the buckets that start at these times."""
    if edges is None:
        return times + (step if isinstance(step, int) else 0)
    ended: Int64 = edges[np.searchsorted(edges, times, side="right")]
    return ended


def _edges(step: Step, left: Sequence[Segment]) -> Int64 | None:
    if not isinstance(step, Calendar) or not left:
        return None
    first = min(segment.interval.start for segment in left)
    return step.edges(first, max(segment.interval.until for segment in left))


def _partial(starts: Int64, ends_: Int64, numbers: Sequence[int], decided: Sequence[Segment]) -> list[bool]:
    cuts = {segment.number: segment.interval for segment in decided}
    return [
        start < cuts[number].start or end > cuts[number].until
        for start, end, number in zip(starts.tolist(), ends_.tolist(), numbers, strict=True)
    ]


def _origins(numbers: Sequence[int], seen: Sequence[int]) -> Iterator[tuple[int, set[Origin]]]:
    together: dict[int, int] = {}
    for number, bits in set(zip(numbers, seen, strict=True)):
        together[number] = together.get(number, 0) | bits
    for number, bits in together.items():
        yield number, {origin for origin in Origin if bits >> origin & 1}


def _transposed(rows: Sequence[tuple[Any, ...]], *, width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
