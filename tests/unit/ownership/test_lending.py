"""Whatever a participant changes without the operator, nobody loses a minute that it has measured to another."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldlab.errors import FieldlabError
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.lending import refuse_taking
from fieldlab.ownership.tenure import Tenure, Timeline, correct, extend, hand_over, residual, return_early
from fieldlab.readings.instant import MINUTE, Instant

HOME = "home"
NOW = Instant(12 * MINUTE)
MINUTES = range(24)
PEOPLE = st.sampled_from([HOME, "a", "b"])
AT = st.integers(0, 23).map(lambda n: Instant(n * MINUTE))


@st.composite
def bookings(draw: st.DrawFn) -> Tenure:
    start, length = draw(st.integers(0, 22)), draw(st.integers(1, 8))
    interval = Interval(start=Instant(start * MINUTE), until=Instant((start + length) * MINUTE))
    return Tenure(owner=draw(PEOPLE), trial=draw(st.sampled_from([None, "t"])), booked=True, interval=interval)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    made = residual(HOME)
    for booking in draw(st.lists(bookings(), max_size=4)):
        made = tried(made, lambda timeline, one=booking: hand_over(timeline, one)) or made
    return made


def tried(timeline: Timeline, change: object) -> Timeline | None:
    assert callable(change)
    try:
        changed: Timeline = change(timeline)
    except FieldlabError:
        return None
    return changed


@st.composite
def changes(draw: st.DrawFn, timeline: Timeline) -> Timeline | None:
    """What some operation makes of the timeline; None where it is refused anyway."""
    at, booking = draw(AT), draw(bookings())
    kind = draw(st.sampled_from(["hand_over", "return", "extend", "correct", "never"]))
    match kind:
        case "hand_over":
            return tried(timeline, lambda one: hand_over(one, booking))
        case "return":
            return tried(timeline, lambda one: return_early(one, at, HOME))
        case "extend":
            return tried(timeline, lambda one: extend(one, at, booking.interval.until))
        case "correct":
            return tried(timeline, lambda one: correct(one, at, HOME, booking))
        case _:
            return tried(timeline, lambda one: correct(one, at, HOME, None))


def had(timeline: Timeline, minute: int) -> Tenure:
    return next(one for one in timeline if minute * MINUTE in one.interval)


@settings(max_examples=300)
@given(st.data(), PEOPLE)
def test_only_own_time_and_a_home_owner_s_future_changes_hands(data: st.DataObject, lender: str) -> None:
    before = data.draw(timelines())
    after = data.draw(changes(before))
    if after is None:
        return
    moved = [
        (minute, had(before, minute), had(after, minute))
        for minute in MINUTES
        if not had(before, minute).alike(had(after, minute))
    ]
    if lender == HOME:
        allowed = all(old.owner == HOME or minute * MINUTE >= NOW for minute, old, _ in moved)
    else:
        allowed = all(old.owner == lender and (new.owner, new.booked) == (HOME, False) for _, old, new in moved)
    try:
        refuse_taking(before, after, lender=lender, home_owner=HOME, now=NOW)
    except FieldlabError:
        refused = True
    else:
        refused = False
    assert refused is not allowed
