"""The catalogue tells what may be had: the decision of a reader who states whatever is asked for, neighbours joined."""

import itertools
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.ownership.decision import NOTHING_SAID, Right, decide
from fieldlab.ownership.entry import covered
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import Instant
from tests.unit.ownership.test_decision import agreement, own, under

RESEARCH = agreement(1, purposes=("research",))
OPEN = agreement(2)


@st.composite
def tenures(draw: st.DrawFn) -> list[Right]:
    """Own tenures and such that an agreement opens, one after the other, with and without room between them."""
    rights: list[Right] = []
    at = 0
    for number in range(draw(st.integers(1, 6))):
        at += draw(st.sampled_from([0, 0, 5]))
        until = at + draw(st.integers(1, 9))
        rights.append(draw(st.sampled_from([own(at, until, tenure=number), under(OPEN.id, at, until, tenure=number)])))
        at = until
    return rights


@given(tenures())
def test_what_is_covered_is_what_the_decision_gives(rights: list[Right]) -> None:
    agreements = {OPEN.id: OPEN}
    decided = decide(rights, agreements, NOTHING_SAID).segments
    (coverage,) = covered(rights, agreements).values()
    for moment in range(70):
        given_ = [one.basis for one in decided if Instant(moment) in one.interval]
        assert [one.basis for one in coverage if Instant(moment) in one.interval] == given_


@given(tenures())
def test_neighbours_of_one_owner_and_basis_are_one_stretch(rights: list[Right]) -> None:
    (coverage,) = covered(rights, {OPEN.id: OPEN}).values()
    for before, after in itertools.pairwise(coverage):
        assert before.interval.until <= after.interval.start
        alike = (before.owner, before.trial, before.basis) == (after.owner, after.trial, after.basis)
        assert not (alike and before.interval.until == after.interval.start)


def test_what_needs_a_purpose_is_listed_with_it() -> None:
    ((one,),) = covered([under(RESEARCH.id, 0, 10)], {RESEARCH.id: RESEARCH}).values()
    assert (one.purposes, one.basis.agreement) == (("research",), UUID(int=1))
    assert one.interval == Interval(start=Instant(0), until=Instant(10))


def test_nothing_is_covered_by_no_right() -> None:
    assert covered([], {}) == {}
