"""Who owns what a stream produces, and how that changes: arithmetic on timelines, without a clock or a database.

A timeline is the list of a stream's tenures in order of time. It is total (every instant belongs to a tenure) and
disjoint (to one only). The residual tenure is the home owner's: whatever nobody has booked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fieldlab.errors import InvalidInterval, TenureConflict
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenure:
    """One owner's time on a stream; `booked` tells a hand-over from the residual of the home owner."""

    owner: str
    interval: Interval
    booked: bool = False
    trial: str | None = None

    def alike(self, other: "Tenure") -> bool:
        """Tell whether the two differ in nothing but time."""
        return replace(self, interval=other.interval) == other


Timeline = tuple[Tenure, ...]


def residual(home_owner: str) -> Timeline:
    """Give the timeline of a stream that nobody has booked."""
    return (Tenure(owner=home_owner, interval=ALWAYS),)


def check(timeline: Sequence[Tenure]) -> None:
    """Raise InvalidInterval unless the timeline is total and disjoint."""
    if not timeline or timeline[0].interval.start.finite or timeline[-1].interval.until.finite:
        raise InvalidInterval("A timeline reaches from -infinity to infinity.")
    for one, next_ in pairwise(timeline):
        if one.interval.until != next_.interval.start:
            raise InvalidInterval(f"A timeline has no hole and no overlap; see {one.interval.until}.")


def hand_over(timeline: Timeline, booking: Tenure) -> Timeline:
    """Give the timeline with the booking entered in the home owner's residual time.

    Raises TenureConflict if any of that time is booked already, InvalidInterval for bounds off the whole minute.
    """
    booking.interval.on_whole_minutes()
    host = next((tenure for tenure in timeline if tenure.interval.covers(booking.interval)), None)
    if host is None or host.booked:
        raise TenureConflict("The asset is booked for some of that time; choose another time.")
    return _replaced(timeline, host, _cut_out(host, booking.interval, replace(booking, booked=True)))


def return_early(timeline: Timeline, at: Instant, home_owner: str) -> Timeline:
    """Give the timeline in which the booking in force at `at` ends there, and the rest is the home owner's again.

    Raises TenureConflict if nothing is booked at that time, or the booking begins only then.
    """
    ending = next((tenure for tenure in timeline if at in tenure.interval), None)
    if ending is None or not ending.booked or ending.interval.start == at:
        raise TenureConflict("Nothing that could be returned is booked at that time.")
    rest = Interval(start=at, until=ending.interval.until).on_whole_minutes()
    home = Tenure(owner=home_owner, interval=rest)
    return _merged(_replaced(timeline, ending, _cut_out(ending, rest, home)))


def extend(timeline: Timeline, at: Instant, until: Instant) -> Timeline:
    """Give the timeline in which the booking in force at `at` ends at `until`, later than it did.

    Raises TenureConflict if nothing is booked at that time or the time asked for is booked, InvalidInterval if it is
    no longer than before.
    """
    place, booking = _booked(timeline, at)
    if until <= booking.interval.until:
        raise InvalidInterval(f"The booking lasts until {booking.interval.until} already; return it to end it earlier.")
    more = Interval(start=booking.interval.until, until=until).on_whole_minutes()
    after = timeline[place + 1]
    if after.booked or not after.interval.covers(more):
        raise TenureConflict("The asset is booked for some of that time; choose another time.")
    longer = replace(booking, interval=Interval(start=booking.interval.start, until=until))
    rest = [replace(after, interval=part) for part in (_rest(after.interval, until),) if part is not None]
    return (*timeline[:place], longer, *rest, *timeline[place + 2 :])


def correct(timeline: Timeline, at: Instant, home_owner: str, right: Tenure | None) -> Timeline:
    """Give the timeline in which the booking in force at `at` was never made, and `right` was made instead.

    Without `right` the time is the home owner's. Raises TenureConflict if nothing is booked at that time or another
    booking is in the way, InvalidInterval for bounds off the whole minute.
    """
    place, wrong = _booked(timeline, at)
    home = Tenure(owner=home_owner, interval=wrong.interval)
    without = _merged((*timeline[:place], home, *timeline[place + 1 :]))
    return without if right is None else hand_over(without, right)


def _booked(timeline: Timeline, at: Instant) -> tuple[int, Tenure]:
    for place, tenure in enumerate(timeline):
        if at in tenure.interval and tenure.booked:
            return place, tenure
    raise TenureConflict("Nothing is booked at that time.")


def _rest(interval: Interval, start: Instant) -> Interval | None:
    return Interval(start=start, until=interval.until) if start < interval.until else None


def _cut_out(host: Tenure, interval: Interval, filling: Tenure) -> list[Tenure]:
    parts = [replace(filling, interval=interval)]
    if host.interval.start < interval.start:
        parts.insert(0, replace(host, interval=Interval(start=host.interval.start, until=interval.start)))
    if interval.until < host.interval.until:
        parts.append(replace(host, interval=Interval(start=interval.until, until=host.interval.until)))
    return parts


def _replaced(timeline: Timeline, host: Tenure, parts: list[Tenure]) -> Timeline:
    at = timeline.index(host)
    return (*timeline[:at], *parts, *timeline[at + 1 :])


def _merged(timeline: Timeline) -> Timeline:
    whole: list[Tenure] = []
    for tenure in timeline:
        if whole and not tenure.booked and whole[-1].alike(tenure):
            joined = Interval(start=whole[-1].interval.start, until=tenure.interval.until)
            whole[-1] = replace(tenure, interval=joined)
        else:
            whole.append(tenure)
    return tuple(whole)
