"""A declared booking is entered once, whatever of it stands already."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import TenureConflict
from fieldlab.ownership.booking import joined, missing, remaining
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.tenure import Tenure, Timeline, check, hand_over, residual, return_early
from fieldlab.readings.instant import MINUTE, Instant


def interval(start: int, length: int) -> Interval:
    return Interval(start=Instant(start * MINUTE), until=Instant((start + length) * MINUTE))


INTERVALS = st.builds(interval, st.integers(0, 30), st.integers(1, 20))
TENURES = st.builds(
    lambda part, trial: Tenure(owner="sme", interval=part, booked=True, trial=trial),
    INTERVALS,
    st.sampled_from(["t", "other", None]),
)


def holds(parts: tuple[Interval, ...], moment: int) -> bool:
    return any(moment * MINUTE in part for part in parts)


@given(st.lists(TENURES, max_size=4), INTERVALS)
def test_what_is_missing_can_be_entered_or_is_anothers_and_then_nothing_is_missing(
    before: list[Tenure], wanted: Interval
) -> None:
    timeline: Timeline = residual("lab")
    for tenure in before:
        try:
            timeline = hand_over(timeline, tenure)
        except TenureConflict:
            continue
    booking = Tenure(owner="sme", interval=wanted, booked=True, trial="t")
    try:
        for part in missing(timeline, booking):
            timeline = hand_over(timeline, Tenure(owner="sme", interval=part, booked=True, trial="t"))
    except TenureConflict:
        assert any(one.booked and not one.alike(booking) and one.interval.overlaps(wanted) for one in timeline)
        return
    check(timeline)
    assert missing(timeline, booking) == ()
    mine = tuple(one.interval for one in timeline if one.alike(booking))
    assert all(holds(mine, moment) for moment in range(60) if moment * MINUTE in wanted)


@given(INTERVALS, st.integers(1, 19))
def test_what_was_given_back_early_is_not_booked_again(wanted: Interval, minutes: int) -> None:
    booking = Tenure(owner="sme", interval=wanted, booked=True, trial="t")
    at = Instant(wanted.start + minutes * MINUTE)
    if at not in wanted:
        return
    timeline = return_early(hand_over(residual("lab"), booking), at, "lab")
    rest = Interval(start=at, until=wanted.until)
    assert missing(timeline, booking) == (rest,)
    assert missing(timeline, booking, returned=[rest]) == ()


@given(INTERVALS, st.lists(INTERVALS, max_size=4))
def test_what_remains_is_what_no_cut_holds(whole: Interval, cuts: list[Interval]) -> None:
    rest = remaining(whole, cuts)
    for moment in range(60):
        assert holds(rest, moment) == (moment * MINUTE in whole and not holds(tuple(cuts), moment))


@given(st.lists(INTERVALS, max_size=5))
def test_joined_intervals_hold_the_same_moments_with_holes_between(parts: list[Interval]) -> None:
    whole = joined(parts)
    assert all(one.until < other.start for one, other in pairwise(whole))
    assert all(holds(whole, moment) == holds(tuple(parts), moment) for moment in range(60))
