"""What is missing on a timeline of a booking that was declared, so that declaring it twice books it once."""

from collections.abc import Iterable

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.tenure import Tenure, Timeline


def missing(timeline: Timeline, booking: Tenure, *, returned: Iterable[Interval] = ()) -> tuple[Interval, ...]:
    """List the stretches of a booking that the timeline does not hold for it, in order of time.

    What the same booking held and gave back early is not missing: the return was meant.
    """
    held = [tenure.interval for tenure in timeline if tenure.alike(booking)]
    return remaining(booking.interval, [*held, *returned])


def remaining(interval: Interval, cuts: Iterable[Interval]) -> tuple[Interval, ...]:
    """List what is left of an interval when others are cut out of it, in order of time."""
    parts = [interval]
    for cut in cuts:
        parts = [rest for part in parts for rest in _without(part, cut)]
    return tuple(parts)


def joined(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Join what overlaps or touches; the result is disjoint, with holes between, in order of time."""
    whole: list[Interval] = []
    for interval in sorted(intervals):
        if whole and interval.start <= whole[-1].until:
            whole[-1] = Interval(start=whole[-1].start, until=max(whole[-1].until, interval.until))
        else:
            whole.append(interval)
    return tuple(whole)


def _without(interval: Interval, cut: Interval) -> list[Interval]:
    if not interval.overlaps(cut):
        return [interval]
    bounds = (interval.start, max(interval.start, cut.start)), (min(interval.until, cut.until), interval.until)
    return [Interval(start=start, until=until) for start, until in bounds if start < until]
