"""Whole buckets of one grid, and nothing of any other."""

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.ownership.floor import fits, sealed, snapped
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.instant import FOREVER, NEVER, Instant

moments = st.one_of(st.integers(-(10**6), 10**6).map(Instant), st.sampled_from([NEVER, FOREVER]))
intervals = st.tuples(moments, moments).filter(lambda b: b[0] < b[1]).map(lambda b: Interval(start=b[0], until=b[1]))
widths = st.integers(1, 5000)


@given(intervals, widths)
def test_what_is_left_is_inside_on_the_grid_and_as_large_as_can_be(interval: Interval, width: int) -> None:
    whole = snapped(interval, width)
    if whole is None:
        assert interval.until - interval.start < 2 * width
        return
    assert interval.covers(whole)
    for bound, edge in ((whole.start, interval.start), (whole.until, interval.until)):
        assert (bound % width == 0 and abs(bound - edge) < width) if edge.finite else bound == edge


@given(intervals, intervals, st.integers(0, 10**6), widths, st.integers(-(10**6), 10**6))
def test_a_sealed_bucket_lies_in_tenure_window_and_before_the_embargo(
    tenure: Interval, window: Interval, embargo: int, floor: int, now: int
) -> None:
    open_ = sealed(tenure=tenure, window=window, embargo=embargo, floor=floor, now=Instant(now))
    if open_ is not None:
        assert tenure.covers(open_)
        assert window.covers(open_)
        assert open_.until <= now - embargo


@given(st.integers(1, 100), widths)
def test_steps_are_whole_multiples_of_the_floor(times: int, floor: int) -> None:
    assert fits(times * floor, floor)
    assert not fits(None, floor)
    if floor > 1:
        assert not fits(times * floor + 1, floor)


@given(intervals, widths, st.integers(1, 20))
def test_a_coarser_step_shows_no_instant_that_the_floor_hides(interval: Interval, floor: int, times: int) -> None:
    fine, coarse = snapped(interval, floor), snapped(interval, floor * times)
    assert coarse is None or (fine is not None and fine.covers(coarse))


def test_all_of_time_stays_all_of_time() -> None:
    assert snapped(ALWAYS, 60) == ALWAYS
