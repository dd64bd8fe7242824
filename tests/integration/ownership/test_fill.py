"""With fill every bucket of the range has a row; what fills it comes from its own segment, whatever the pages."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldlab.errors import InvalidInterval
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.selection import Selection
from tests.integration.ownership.floor import CURRENT, MONDAY, TUESDAY, Floor
from tests.integration.ownership.pact import pact, writing
from tests.integration.ownership.rows import column, times
from tests.integration.ownership.test_aggregates import BEGIN, Case, cases, lay_out

ASKED = (Aggregate.MEAN, Aggregate.COUNT, Aggregate.SUM, Aggregate.LAST)
DAY = 24 * 60 * MINUTE
Row = tuple[int, int, float | None, int | None, float | None, float | None, bool]


async def rows_of(floor: Floor, reader: str, selection: Selection) -> list[Row]:
    """All rows, page by page if there is a limit; start, segment, aggregates, and whether filled."""
    rows: list[Row] = []
    while True:
        answer = await read.measurements(floor.scopes[reader], floor.pool, selection)
        batches = [answer.rows]
        if answer.rest is not None:
            batches += [batch async for batch in answer.rest]
        for batch in batches:
            whole = replace(answer, rows=batch)
            filled = column(whole, "filled") if "filled" in batch.schema.names else [False] * len(batch)
            columns = [column(whole, one.value) for one in ASKED]
            rows += list(zip(times(whole), column(whole, "segment"), *columns, filled, strict=True))
        if answer.next is None:
            return rows
        selection = replace(selection, after=answer.next)


def plainly(found: list[Row], segments: tuple[Segment, ...], step: Step, fill: Fill) -> list[Row]:
    """Fill the rows of an answer without fill, one by one."""
    known = {(row[1], row[0]): row for row in found}
    made: list[Row] = []
    for segment in segments:
        floored = segment.basis.shape.resolution_floor is not None
        grid = [
            start
            for start, end in buckets(segment.interval, step)
            if not floored or (segment.interval.start <= start and end <= segment.interval.until)
        ]
        own = {start: known[segment.number, start] for start in grid if (segment.number, start) in known}
        for start in grid:
            if start in own:
                made.append(own[start])
                continue
            values = [between(own, start, place, fill) for place in (2, 5)]
            made.append((start, segment.number, values[0], None if floored else 0, None, values[1], True))
    return made


def buckets(interval: Interval, step: Step) -> list[tuple[int, int]]:
    if isinstance(step, Calendar):
        edges = step.edges(interval.start, interval.until).tolist()
        return list(pairwise(edges))
    return [(at, at + step) for at in range(interval.start // step * step, interval.until, step)]


def between(own: dict[int, Row], start: int, place: int, fill: Fill) -> float | None:
    before = max((at for at in own if at < start and own[at][place] is not None), default=None)
    after = min((at for at in own if at > start and own[at][place] is not None), default=None)
    if fill is Fill.NULL or before is None or (fill is Fill.LINEAR and after is None):
        return None
    left = own[before][place]
    if fill is Fill.PREVIOUS or after is None:
        return left
    right = own[after][place]
    assert left is not None
    assert right is not None
    return left + (right - left) * (start - before) / (after - before)


def same(found: list[Row], wanted: list[Row]) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        assert row[6] == other[6]
        for value, plain in zip(row[2:6], other[2:6], strict=True):
            same_ = value is plain or (
                value is not None and plain is not None and math.isclose(value, plain, rel_tol=1e-9, abs_tol=1e-6)
            )
            assert same_, (Instant(row[0]), row, other)


@pytest.fixture
async def permitted(floor: Floor) -> Floor:
    """The lab and sme-a permit the outsider their data by the minute."""
    await writing(floor)
    for owner in ("lab", "sme-a"):
        await pact(floor, owner=owner, resolution_floor=MINUTE, minimum_samples=2, aggregates=ASKED, data=ALWAYS)
    return floor


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(case=cases(), fill=st.sampled_from([Fill.NULL, Fill.PREVIOUS, Fill.LINEAR]), page=st.sampled_from([None, 7, 50]))
async def test_filled_buckets_are_what_one_would_fill_by_hand(
    permitted: Floor, case: Case, fill: Fill, page: int | None
) -> None:
    step = case.step if isinstance(case.step, Calendar) or case.step >= MINUTE else MINUTE
    lay_out(permitted, case)
    for reader in ("lab", "sme-a", "outsider"):
        selection = Selection(
            streams=(CURRENT,),
            interval=Interval(start=Instant(BEGIN + case.range[0]), until=Instant(BEGIN + case.range[1])),
            step=step,
            aggregates=ASKED,
        )
        answer = await read.measurements(permitted.scopes[reader], permitted.pool, selection)
        unfilled = await rows_of(permitted, reader, selection)
        wanted = plainly(unfilled, answer.segments, step, fill)
        same(await rows_of(permitted, reader, replace(selection, fill=fill, limit=page)), wanted)


async def test_nothing_is_filled_in_what_has_not_been_yet(floor: Floor) -> None:
    floor.store("robot-1.joint", [(TUESDAY, 1.0)])
    now = Instant.now()
    selection = Selection(
        streams=("robot-1.joint",),
        interval=Interval(start=TUESDAY, until=Instant(now + 10 * DAY)),
        step=60 * MINUTE,
        aggregates=ASKED,
        fill=Fill.PREVIOUS,
    )
    answer = await read.measurements(floor.scopes["sme-b"], floor.pool, selection)
    assert set(column(answer, "mean")) == {1.0}
    assert now - 2 * 60 * MINUTE < times(answer)[-1] <= answer.decided_at


async def test_a_range_without_a_beginning_is_refused(floor: Floor) -> None:
    floor.store("robot-1.joint", [(TUESDAY, 1.0)])
    selection = Selection(
        streams=("robot-1.joint",), interval=ALWAYS, step=60 * MINUTE, aggregates=ASKED, fill=Fill.NULL
    )
    with pytest.raises(InvalidInterval, match="give from"):
        await read.measurements(floor.scopes["sme-b"], floor.pool, selection)


async def test_a_year_of_seconds_comes_in_batches_of_bounded_size(floor: Floor) -> None:
    """The neighbour of a hole is found however far it is, and nothing is laid out before it is asked for."""
    floor.store("robot-1.joint", [(Instant(MONDAY - 365 * DAY), 1.0), (Instant(MONDAY), 3.0)])
    selection = Selection(
        streams=("robot-1.joint",),
        interval=Interval(start=Instant(MONDAY - 365 * DAY), until=Instant(MONDAY + SECOND)),
        step=SECOND,
        aggregates=(Aggregate.MEAN,),
        fill=Fill.LINEAR,
        limit=5,
    )
    answer = await read.measurements(floor.scopes["sme-b"], floor.pool, selection)
    assert len(answer.rows) == 5
    slope = 2 / (365 * 24 * 3600)
    assert column(answer, "mean") == pytest.approx([1 + n * slope for n in range(5)])
