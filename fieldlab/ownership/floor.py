"""The arithmetic of a resolution floor: whole buckets of the grid that starts at the Unix epoch, and nothing finer.

It is a limit of a contract. It does not make anybody anonymous.
"""

from fieldlab.ownership.interval import Interval
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import FOREVER, NEVER, Instant


def snapped(interval: Interval, width: int) -> Interval | None:
    """Give the whole buckets of `width` microseconds inside, as one interval; None if there are none."""
    start = Instant(-(-interval.start // width) * width) if interval.start > NEVER else NEVER
    until = Instant(interval.until // width * width) if interval.until < FOREVER else FOREVER
    return Interval(start=start, until=until) if start < until else None


def sealed(*, tenure: Interval, window: Interval, embargo: int, floor: int, now: Instant) -> Interval | None:
    """Give the whole buckets within a tenure, a data window and what is older than the embargo; None without any."""
    past = Interval(start=NEVER, until=Instant(now - embargo))
    shared = tenure.clipped(window)
    open_ = shared and shared.clipped(past)
    return snapped(open_, floor) if open_ else None


def fits(step: Step | None, floor: int) -> bool:
    """Tell whether buckets of `step` are made of whole ones of the floor; samples (None) never are."""
    if isinstance(step, Calendar):
        return step.fits(floor)
    return step is not None and step % floor == 0
