"""Whatever is booked and returned, a timeline stays total and disjoint, and nobody loses time to another's booking."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fieldlab.errors import InvalidInterval, TenureConflict
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.tenure import Tenure, Timeline, check, correct, extend, hand_over, residual, return_early
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant

HOME = "home"
MINUTES = range(-1, 25)
BOUNDS = st.one_of(st.integers(0, 23).map(lambda n: Instant(n * MINUTE)), st.sampled_from([NEVER, FOREVER]))


def owner_at(timeline: Timeline, moment: int) -> Tenure:
    (owner,) = [tenure for tenure in timeline if moment in tenure.interval]
    return owner


def owners(timeline: Timeline) -> dict[int, tuple[str, str | None, bool]]:
    """Who owns each minute, and what for."""
    found = {minute: owner_at(timeline, minute * MINUTE) for minute in MINUTES}
    return {minute: (tenure.owner, tenure.trial, tenure.booked) for minute, tenure in found.items()}


class Booking(RuleBasedStateMachine):
    """Books and returns at random, beside a model that is a plain list of minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.timeline = residual(HOME)

    @rule(start=BOUNDS, until=BOUNDS, owner=st.sampled_from([HOME, "a", "b"]), trial=st.sampled_from([None, "t"]))
    def book(self, start: Instant, until: Instant, owner: str, trial: str | None) -> None:
        if not start < until:
            return
        wanted = Interval(start=start, until=until)
        before = owners(self.timeline)
        taken = any(tenure.booked and tenure.interval.overlaps(wanted) for tenure in self.timeline)
        booking = Tenure(owner=owner, trial=trial, interval=wanted, booked=True)
        if taken:
            with pytest.raises(TenureConflict) as refused:
                hand_over(self.timeline, booking)
            assert not {"'a'", "'b'", HOME} & set(str(refused.value).split())
            return
        self.timeline = hand_over(self.timeline, booking)
        after = owners(self.timeline)
        for minute in MINUTES:
            inside = minute * MINUTE in wanted
            assert after[minute] == ((owner, trial, True) if inside else before[minute])
        assert booking in self.timeline

    @precondition(lambda self: any(tenure.booked for tenure in self.timeline))
    @rule(minute=st.integers(0, 23))
    def give_back(self, minute: int) -> None:
        at = Instant(minute * MINUTE)
        before, ending = owners(self.timeline), owner_at(self.timeline, at)
        if not ending.booked or ending.interval.start == at:
            with pytest.raises(TenureConflict):
                return_early(self.timeline, at, HOME)
            return
        self.timeline = return_early(self.timeline, at, HOME)
        after = owners(self.timeline)
        for moment in MINUTES:
            returned = moment * MINUTE in ending.interval and moment >= minute
            assert after[moment] == ((HOME, None, False) if returned else before[moment])

    @invariant()
    def is_total_and_disjoint(self) -> None:
        check(self.timeline)

    @invariant()
    def has_no_seam_in_what_nobody_booked(self) -> None:
        booked = [tenure.booked for tenure in self.timeline]
        assert not any(one is other is False for one, other in itertools.pairwise(booked))


TestBooking = Booking.TestCase
TestBooking.settings = settings(max_examples=150, stateful_step_count=12, deadline=None)


def test_a_hand_over_is_a_booking_whatever_it_calls_itself() -> None:
    hour = Interval(start=Instant(0), until=Instant(60 * MINUTE))
    booked = hand_over(residual(HOME), Tenure(owner="a", interval=hour))
    with pytest.raises(TenureConflict):
        hand_over(booked, Tenure(owner="b", interval=hour, booked=True))


@pytest.mark.parametrize("off", [1, MINUTE // 2, MINUTE - 1])
def test_bounds_off_the_whole_minute_are_refused(off: int) -> None:
    booked = hand_over(
        residual(HOME), Tenure(owner="a", interval=Interval(start=Instant(0), until=Instant(9 * MINUTE)), booked=True)
    )
    late = Interval(start=Instant(20 * MINUTE + off), until=Instant(30 * MINUTE))
    with pytest.raises(InvalidInterval):
        hand_over(booked, Tenure(owner="b", interval=late, booked=True))
    with pytest.raises(InvalidInterval):
        return_early(booked, Instant(MINUTE + off), HOME)


@pytest.mark.parametrize("at", [NEVER, FOREVER, Instant(0)])
def test_what_is_not_booked_cannot_be_returned(at: Instant) -> None:
    with pytest.raises(TenureConflict):
        return_early(residual(HOME), at, HOME)


@given(cut=st.integers(1, 23), hole=st.integers(-3, 3))
def test_a_timeline_with_a_hole_or_an_overlap_is_known(cut: int, hole: int) -> None:
    timeline = (
        Tenure(owner="a", interval=Interval(start=NEVER, until=Instant(cut * MINUTE))),
        Tenure(owner="b", interval=Interval(start=Instant((cut + hole) * MINUTE), until=FOREVER)),
    )
    if hole == 0:
        check(timeline)
    else:
        with pytest.raises(InvalidInterval):
            check(timeline)
    for part in ((), timeline[:1], timeline[1:]):
        with pytest.raises(InvalidInterval):
            check(part)
    check((Tenure(owner="a", interval=ALWAYS),))


def span(start: int, until: int) -> Interval:
    return Interval(start=Instant(start * MINUTE), until=Instant(until * MINUTE))


def two_bookings() -> Timeline:
    one = hand_over(residual(HOME), Tenure(owner="a", interval=span(0, 10), booked=True, trial="t"))
    return hand_over(one, Tenure(owner="b", interval=span(20, 30), booked=True))


@pytest.mark.parametrize("until", [11, 20])
def test_an_extension_lasts_into_free_time_and_no_further(until: int) -> None:
    longer = extend(two_bookings(), Instant(3 * MINUTE), Instant(until * MINUTE))
    check(longer)
    assert Tenure(owner="a", interval=span(0, until), booked=True, trial="t") in longer
    assert Tenure(owner="b", interval=span(20, 30), booked=True) in longer
    with pytest.raises(TenureConflict):
        extend(two_bookings(), Instant(3 * MINUTE), Instant(21 * MINUTE))


def test_what_cannot_be_extended_is_said() -> None:
    for until in (10, 9):
        with pytest.raises(InvalidInterval, match="already"):
            extend(two_bookings(), Instant(3 * MINUTE), Instant(until * MINUTE))
    with pytest.raises(TenureConflict):
        extend(two_bookings(), Instant(15 * MINUTE), Instant(16 * MINUTE))
    with pytest.raises(InvalidInterval, match="whole minute"):
        extend(two_bookings(), Instant(3 * MINUTE), Instant(11 * MINUTE + 1))
    whole = extend(two_bookings(), Instant(23 * MINUTE), FOREVER)
    assert whole[-1] == Tenure(owner="b", interval=Interval(start=Instant(20 * MINUTE), until=FOREVER), booked=True)
    check(whole)


@given(st.integers(0, 19), st.integers(1, 20))
def test_a_correction_leaves_what_the_booking_would_have_been_from_the_beginning(start: int, length: int) -> None:
    right = Tenure(owner="c", interval=span(start, min(start + length, 20)), booked=True)
    corrected = correct(two_bookings(), Instant(5 * MINUTE), HOME, right)
    check(corrected)
    never = hand_over(residual(HOME), Tenure(owner="b", interval=span(20, 30), booked=True))
    assert corrected == hand_over(never, right)
    assert correct(two_bookings(), Instant(5 * MINUTE), HOME, None) == never


def test_a_correction_takes_no_other_booking() -> None:
    with pytest.raises(TenureConflict):
        correct(two_bookings(), Instant(5 * MINUTE), HOME, Tenure(owner="c", interval=span(0, 21), booked=True))
    with pytest.raises(TenureConflict):
        correct(two_bookings(), Instant(15 * MINUTE), HOME, None)
