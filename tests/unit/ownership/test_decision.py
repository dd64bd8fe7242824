"""One basis for every stretch: the one named, or the best there is; never two in a segment."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import OutsideAgreement
from fieldlab.ownership import document
from fieldlab.ownership.agreement import Agreement, Party, State
from fieldlab.ownership.decision import NOTHING_SAID, Ask, Right, decide, servable
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import BasisKind
from fieldlab.ownership.terms import DataFormat, Declared, Enforced, Terms, settled
from fieldlab.readings.instant import FOREVER, NEVER, Instant


def agreement(
    number: int, *, floor: int | None = None, embargo: int = 0, end: int = FOREVER, purposes: tuple[str, ...] = (),
    formats: tuple[DataFormat, ...] = tuple(DataFormat),
) -> Agreement:  # fmt: skip
    validity = Interval(start=NEVER, until=Instant(end))
    terms = settled(
        Terms(
            owner="sme-a",
            grantee="researcher",
            enforced=Enforced(
                streams=("m.a",), resolution_floor=floor, embargo=embargo, validity=validity, formats=formats
            ),
            declared=Declared(purposes=purposes),
        )
    )
    return Agreement(
        id=UUID(int=number),
        terms=terms,
        text=document.canonical(terms),
        hash=document.digest(terms),
        state=State.ACTIVE,
        proposed_by=Party.OWNER,
        proposed_at=Instant(0),
        answer_by=FOREVER,
    )


def own(start: int, until: int, *, stream: int = 1, tenure: int = 1) -> Right:
    interval = Interval(start=Instant(start), until=Instant(until))
    return Right(stream=stream, interval=interval, tenure=tenure, owner="me", trial=None, kind=BasisKind.OWN)


def under(id_: UUID, start: int, until: int, *, stream: int = 1, tenure: int = 7) -> Right:
    return Right(
        stream=stream,
        interval=Interval(start=Instant(start), until=Instant(until)),
        tenure=tenure,
        owner="sme-a",
        trial=None,
        kind=BasisKind.AGREEMENT,
        agreement=id_,
    )


OPEN, MINUTELY, LATE, SOON, TWIN = (
    agreement(1), agreement(2, floor=60), agreement(3, embargo=5), agreement(4, end=900), agreement(5, end=900)
)  # fmt: skip
ALL = {one.id: one for one in (OPEN, MINUTELY, LATE, SOON, TWIN)}
spans = st.tuples(st.integers(0, 500), st.integers(0, 500)).filter(lambda b: b[0] < b[1])


def rank(id_: UUID) -> tuple[int, int, int, UUID]:
    kept = ALL[id_].terms.enforced
    return kept.resolution_floor or 0, kept.embargo, kept.validity.until, id_


@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)), spans), max_size=8))
def test_each_instant_has_the_best_basis_that_opens_it_and_one_only(given_: list[tuple[UUID, tuple[int, int]]]) -> None:
    rights = sorted((under(id_, *span) for id_, span in given_), key=lambda right: right.interval)
    segments = decide(rights, ALL, NOTHING_SAID).segments
    for moment in range(0, 500, 7):
        holding = [right.agreement for right in rights if Instant(moment) in right.interval and right.agreement]
        found = [segment for segment in segments if Instant(moment) in segment.interval]
        assert len(found) <= 1
        if not holding:
            assert found == []
            continue
        best = min(holding, key=rank)
        if best != MINUTELY.id:
            assert [segment.basis.agreement for segment in found] == [best]
        elif found:
            assert found[0].basis.agreement == best
            assert found[0].interval.start % 60 == found[0].interval.until % 60 == 0
    assert [segment.number for segment in segments] == [*range(len(segments))]
    assert list(segments) == sorted(segments, key=lambda segment: segment.interval)


@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)), spans), max_size=8), st.sampled_from(sorted(ALL)))
def test_a_named_agreement_is_the_only_one_besides_what_is_one_s_own(
    given_: list[tuple[UUID, tuple[int, int]]], named: UUID
) -> None:
    rights = [own(-100, 0), *sorted((under(id_, *span) for id_, span in given_), key=lambda right: right.interval)]
    segments = decide(rights, ALL, Ask(basis=named)).segments
    assert {segment.basis.agreement for segment in segments} <= {None, named}
    assert segments[0].basis.kind is BasisKind.OWN


def test_own_data_is_never_shaped() -> None:
    (segment,) = decide([own(3, 50)], {}, NOTHING_SAID).segments
    assert segment.basis.shape.resolution_floor is None
    assert segment.interval == Interval(start=Instant(3), until=Instant(50))


def test_a_segment_says_what_shaped_it() -> None:
    (segment,) = decide([under(MINUTELY.id, 1, 299)], ALL, NOTHING_SAID).segments
    assert segment.interval == Interval(start=Instant(60), until=Instant(240))
    assert (segment.basis.shape.resolution_floor, segment.basis.shape.minimum_samples) == (60, 5)
    assert segment.basis.hash == MINUTELY.hash


RESEARCH = agreement(9, purposes=("research",))
HELD = {RESEARCH.id: RESEARCH, OPEN.id: OPEN}


class TestAPurpose:
    def test_inside_the_agreement_opens_it(self) -> None:
        ask = Ask(purpose="research")
        decided = decide([under(RESEARCH.id, 0, 9)], HELD, ask)
        decided.require(ask)
        assert len(decided.segments) == 1

    @pytest.mark.parametrize("ask", [Ask(purpose="marketing"), Ask(), Ask(basis=RESEARCH.id)])
    def test_outside_it_or_unsaid_is_refused(self, ask: Ask) -> None:
        decided = decide([under(RESEARCH.id, 0, 9)], HELD, ask)
        assert decided.segments == ()
        with pytest.raises(OutsideAgreement, match="for research alone"):
            decided.require(ask)

    def test_unsaid_leaves_one_s_own_data_alone(self) -> None:
        ask = Ask()
        decided = decide([own(-9, 0), under(RESEARCH.id, 0, 9)], HELD, ask)
        decided.require(ask)
        assert [segment.basis.kind for segment in decided.segments] == [BasisKind.OWN]
        stated = Ask(purpose="marketing")
        with pytest.raises(OutsideAgreement):
            decide([own(-9, 0), under(RESEARCH.id, 0, 9)], HELD, stated).require(stated)

    def test_is_not_asked_for_where_another_agreement_opens_the_same(self) -> None:
        ask = Ask(purpose="marketing")
        decided = decide([under(RESEARCH.id, 0, 9), under(OPEN.id, 0, 9)], HELD, ask)
        decided.require(ask)
        assert [segment.basis.agreement for segment in decided.segments] == [OPEN.id]

    def test_is_asked_of_the_agreement_that_is_named_and_of_no_other(self) -> None:
        """Another of another time or purpose is not what was asked for, and its owner is told nothing."""
        other = agreement(8, purposes=("wear",))
        rights = [under(RESEARCH.id, 0, 9), under(other.id, 5, 30), under(OPEN.id, 40, 50)]
        held = {**HELD, other.id: other}
        for purpose, named, spans_ in (
            ("research", RESEARCH, [(0, 9)]),
            ("wear", other, [(5, 30)]),
            (None, OPEN, [(40, 50)]),
        ):
            ask = Ask(purpose=purpose, basis=named.id)
            decided = decide(rights, held, ask)
            decided.require(ask)
            assert [(one.interval.start, one.interval.until) for one in decided.segments] == spans_
            assert {one.basis.agreement for one in decided.segments} == {named.id}
        ask = Ask(purpose="research", basis=other.id)
        with pytest.raises(OutsideAgreement, match=str(other.id)):
            decide(rights, held, ask).require(ask)


def test_a_format_that_is_not_allowed_is_refused() -> None:
    only = agreement(9, formats=(DataFormat.JSON,))
    ask = Ask(format=DataFormat.CSV)
    with pytest.raises(OutsideAgreement, match="allows no csv; ask for json"):
        decide([under(only.id, 0, 9)], {only.id: only}, ask).require(ask)


def test_samples_odd_steps_and_filters_are_not_served_below_a_floor() -> None:
    floored = decide([under(MINUTELY.id, 0, 600)], ALL, NOTHING_SAID).segments
    assert servable(floored, 120, good_only=False)
    assert not servable(floored, None, good_only=False)
    assert not servable(floored, 90, good_only=False)
    assert not servable(floored, 120, good_only=True)
    assert servable(decide([own(0, 9)], {}, NOTHING_SAID).segments, None, good_only=True)
