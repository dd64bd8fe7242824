"""Every aggregate once more, computed plainly with numpy from a stretch's samples: what the database has to equal."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import FOREVER, NEVER, SECOND, Instant

Row = dict[Aggregate, float | None]


@dataclass(frozen=True, kw_only=True)
class Series:
    """The samples of a stream in columns, by time; `bad` and `good` tell of their status."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    good: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    def usable(self, *, good_only: bool) -> "Series":
        return self.where(self.good if good_only else ~self.bad)

    def within(self, start: int, until: int) -> "Series":
        return self.where((self.times >= start) & (self.times < until))

    def where(self, chosen: NDArray[np.bool_]) -> "Series":
        return Series(
            times=self.times[chosen], values=self.values[chosen], good=self.good[chosen], bad=self.bad[chosen]
        )


def plainly(series: Series, segment: Segment, tenure: Interval, step: Step) -> dict[int, Row]:
    """Compute the buckets of a segment from the usable samples; `tenure` is the right that it was cut from."""
    shape = segment.basis.shape
    inside = series.within(segment.interval.start, segment.interval.until)
    if shape.resolution_floor is not None:
        inside = _sealed(inside, shape.resolution_floor, shape.minimum_samples or 0)
    rows: dict[int, Row] = {}
    for start, end in _bounds(inside, segment.interval, step):
        own = inside.within(start, end)
        if not len(own.times):
            continue
        if shape.resolution_floor is None:
            before = series.within(tenure.start, int(own.times[0]))
        elif start < segment.interval.start or end > segment.interval.until:
            continue
        else:
            before = own.within(0, 0)
        held_from, held_until = max(start, segment.interval.start), min(end, segment.interval.until)
        row = _row(own, before, held_from, held_until)
        allowed = shape.aggregates
        rows[start] = {one: row[one] if allowed is None or one in allowed else None for one in Aggregate}
    return rows


def _sealed(series: Series, floor: int, least: int) -> Series:
    buckets, counts = np.unique(series.times // floor, return_counts=True)
    return series.where(np.isin(series.times // floor, buckets[counts >= least]))


def _bounds(series: Series, interval: Interval, step: Step) -> list[tuple[int, int]]:
    if isinstance(step, Calendar):
        edges = step.edges(interval.start, interval.until).tolist()
        return list(pairwise(edges))
    return [(number * step, (number + 1) * step) for number in np.unique(series.times // step).tolist()]


def _row(own: Series, before: Series, held_from: int, held_until: int) -> Row:
    values, times = own.values, own.times
    row: Row = {
        Aggregate.COUNT: len(values),
        Aggregate.MEAN: float(np.mean(values)),
        Aggregate.MIN: float(np.min(values)),
        Aggregate.MAX: float(np.max(values)),
        Aggregate.SUM: float(np.sum(values)),
        Aggregate.FIRST: float(values[0]),
        Aggregate.LAST: float(values[-1]),
        Aggregate.STDDEV: float(np.std(values, ddof=1)) if len(values) > 1 else None,
        Aggregate.MEDIAN: float(np.median(values)),
        **{
            one: float(np.percentile(values, share))
            for one, share in (
                (Aggregate.P5, 5),
                (Aggregate.P25, 25),
                (Aggregate.P75, 75),
                (Aggregate.P95, 95),
                (Aggregate.P99, 99),
            )
        },
    }
    base, base_at = (before.values[-1], before.times[-1]) if len(before.times) else (values[0], times[0])
    moved = base_at < times[-1]
    row[Aggregate.DELTA] = float(values[-1] - base) if moved else None
    row[Aggregate.RATE] = float((values[-1] - base) / ((times[-1] - base_at) / SECOND)) if moved else None
    known = np.concatenate([before.values[-1:], values])
    since = np.concatenate([np.maximum(before.times[-1:], held_from), times, [max(held_until, int(times[-1]))]])
    weights = np.diff(since) / SECOND
    total = float(np.sum(weights))
    row[Aggregate.TIME_WEIGHTED_MEAN] = float(np.sum(known * weights) / total) if total > 0 else float(values[-1])
    return row


def tenure_of(bounds: list[Instant], segment: Segment) -> Interval:
    """Give the tenure that a segment was cut from, of a stream that changes hands at these bounds."""
    start = max((bound for bound in bounds if bound <= segment.interval.start), default=NEVER)
    until = min((bound for bound in bounds if bound >= segment.interval.until), default=FOREVER)
    return Interval(start=start, until=until)
