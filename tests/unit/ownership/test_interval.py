"""An interval is half-open: its start belongs to it, its end to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import InvalidInterval
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant

BOUNDS = st.one_of(st.integers(-50, 50), st.sampled_from([NEVER, FOREVER])).map(Instant)
INTERVALS = st.tuples(BOUNDS, BOUNDS).filter(lambda b: b[0] < b[1]).map(lambda b: Interval(start=b[0], until=b[1]))
MOMENTS = st.integers(-60, 60).map(Instant)


@given(interval=INTERVALS, moment=MOMENTS)
def test_the_start_is_in_and_the_end_is_out(interval: Interval, moment: Instant) -> None:
    assert interval.start in interval
    assert interval.until not in interval
    assert (moment in interval) == (interval.start <= moment < interval.until)


@given(start=BOUNDS, until=BOUNDS)
def test_an_empty_or_reversed_interval_is_refused(start: Instant, until: Instant) -> None:
    if start < until:
        Interval(start=start, until=until)
        return
    with pytest.raises(InvalidInterval, match="from must be before until"):
        Interval(start=start, until=until)


@given(one=INTERVALS, other=INTERVALS)
def test_what_two_share_is_what_each_holds(one: Interval, other: Interval) -> None:
    shared = one.clipped(other)
    assert shared == other.clipped(one)
    assert one.overlaps(other) == other.overlaps(one) == (shared is not None)
    for moment in map(Instant, range(-60, 61)):
        assert (moment in one and moment in other) == (shared is not None and moment in shared)


@given(one=INTERVALS, other=INTERVALS)
def test_covering_is_sharing_all_of_it(one: Interval, other: Interval) -> None:
    assert one.covers(other) == (one.clipped(other) == other)
    assert ALWAYS.covers(one)


def test_neighbours_that_touch_share_nothing() -> None:
    before, after = Interval(start=NEVER, until=Instant(0)), Interval(start=Instant(0), until=FOREVER)
    assert not before.overlaps(after)
    assert before.clipped(after) is None


@given(start=st.integers(-1000, 1000), length=st.integers(1, 1000))
def test_owners_change_on_whole_minutes_only(start: int, length: int) -> None:
    whole = Interval(start=Instant(start * MINUTE), until=Instant((start + length) * MINUTE))
    assert whole.on_whole_minutes() is whole
    for off in (1, MINUTE - 1, MINUTE // 2):
        with pytest.raises(InvalidInterval, match="whole minute"):
            Interval(start=whole.start, until=Instant(whole.until + off)).on_whole_minutes()
    assert ALWAYS.on_whole_minutes() is ALWAYS
