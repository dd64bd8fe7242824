"""A preview is the grantee's answer before there is one: whatever the terms, whatever is asked."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldlab.errors import FieldlabError
from fieldlab.ownership.agreement import Action
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import agreements, read
from fieldlab.storage.selection import Answer, Selection, StatusFilter
from tests.integration.ownership.floor import CURRENT, MONDAY, STATE, TUESDAY, Floor
from tests.integration.ownership.pact import Wanted, offer, sign, writing

DAY = 24 * 60 * MINUTE
LAST = Instant(TUESDAY - 10 * MINUTE)
"""The ten minutes before the hand-over are where the samples lie, every seven seconds, and as many after it."""

MOMENTS = st.integers(-660, 660).map(lambda second: Instant(TUESDAY + second * SECOND))


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What of an answer, or of a refusal, may not differ."""

    refused: str | None = None
    segments: tuple[object, ...] = ()
    columns: object = None


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start, until = sorted(draw(st.lists(MOMENTS, min_size=2, max_size=2, unique=True)))
    return draw(st.sampled_from([ALWAYS, Interval(start=start, until=until)]))


@st.composite
def terms(draw: st.DrawFn) -> Wanted:
    """Terms of sme-a's; an embargo holds back nothing that was measured, or all of it, whenever this runs."""
    wanted = Wanted(
        streams=draw(st.sampled_from([(CURRENT,), (CURRENT, STATE)])),
        data=draw(intervals()),
        embargo=draw(st.sampled_from([0, 0, MINUTE, 36_000 * DAY])),
    )
    floor = draw(st.sampled_from([None, MINUTE, 2 * MINUTE]))
    if floor is not None:
        wanted["resolution_floor"] = floor
        wanted["minimum_samples"] = draw(st.sampled_from([1, 5, 9]))
        wanted["aggregates"] = draw(
            st.sampled_from([(Aggregate.MEAN,), (Aggregate.MEAN, Aggregate.COUNT), (Aggregate.MAX, Aggregate.MEDIAN)])
        )
    if draw(st.booleans()):
        wanted["trial"] = "trial-of-sme-a"
    return wanted


@st.composite
def questions(draw: st.DrawFn) -> Selection:
    asked = Selection(
        streams=(CURRENT,),
        interval=draw(intervals()),
        limit=draw(st.sampled_from([None, 5, 1000])),
        status=draw(st.sampled_from([StatusFilter.ALL, StatusFilter.ALL, StatusFilter.GOOD])),
    )
    kind = draw(st.sampled_from(["samples", "buckets", "filled", "chart", "in force"]))
    step = draw(st.sampled_from([30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE]))
    bounded = replace(asked, interval=Interval(start=Instant(LAST - 60 * MINUTE), until=Instant(TUESDAY + 60 * MINUTE)))
    match kind:
        case "buckets":
            return replace(asked, step=step, aggregates=tuple(Aggregate))
        case "filled":
            fill = draw(st.sampled_from([Fill.NULL, Fill.PREVIOUS, Fill.LINEAR]))
            return replace(bounded, step=step, aggregates=(Aggregate.MEAN, Aggregate.COUNT), fill=fill)
        case "chart":
            return replace(bounded, limit=None, points=draw(st.integers(4, 40)))
        case "in force":
            return replace(asked, interval=ALWAYS, limit=None, as_of=draw(MOMENTS))
        case _:
            return asked


async def shown(scope: ReadScope, floor: Floor, asked: Selection) -> Shown:
    try:
        answer: Answer = await read.measurements(scope, floor.pool, asked)
        batches = [answer.rows, *([batch async for batch in answer.rest] if answer.rest is not None else [])]
    except FieldlabError as error:
        return Shown(refused=type(error).__name__)
    return Shown(
        segments=tuple(
            (one.stream, one.interval, one.owner, one.trial, one.basis.shape, one.basis.licence)
            for one in answer.segments
        ),
        columns=[row for batch in batches for row in batch.to_pylist()],
    )


@pytest.fixture
async def lab(floor: Floor) -> Floor:
    """Samples on both sides of the hand-over from sme-a to sme-b; everybody may write agreements."""
    await writing(floor)
    around = [Instant(TUESDAY + second * SECOND) for second in range(-600, 600, 7)]
    floor.store(CURRENT, [(at, float((at - TUESDAY) // SECOND)) for at in around if at % 5])
    floor.store(CURRENT, [(at, -1.0) for at in around if not at % 5], status=-32768)
    return floor


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(wanted=terms(), asked=questions())
async def test_it_is_what_the_grantee_then_gets(lab: Floor, wanted: Wanted, asked: Selection) -> None:
    owner, grantee = lab.scopes["sme-a"], lab.scopes["outsider"]
    proposed = await offer(lab, **wanted)
    previewed = await shown(owner, lab, replace(asked, preview=proposed.id))
    await sign(lab, proposed)
    seen = await shown(grantee, lab, asked)
    await agreements.step(owner, lab.engine, proposed.id, Action.TERMINATE)
    if previewed.segments or previewed.columns:
        assert previewed == seen
    else:  # where nothing opens an owner hears that of its own stream, and a stranger that there is none
        assert not seen.segments
        assert not seen.columns


async def test_it_shows_the_owner_nothing_of_a_later_tenant(lab: Floor) -> None:
    proposed = await offer(lab)
    answer = await read.measurements(
        lab.scopes["sme-a"], lab.pool, Selection(streams=(CURRENT,), interval=ALWAYS, preview=proposed.id)
    )
    assert {(one.owner, one.basis.kind, one.interval) for one in answer.segments} == {
        ("sme-a", BasisKind.PREVIEW, Interval(start=MONDAY, until=TUESDAY))
    }
