"""Every aggregate is what numpy makes of the same samples, by step, tenure, status and floor, rolled up or not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldlab.ownership.floor import fits
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.database import adapt
from fieldlab.storage.selection import Answer, Selection, StatusFilter
from tests.integration.ownership.floor import CURRENT, MONDAY, Floor
from tests.integration.ownership.pact import pact, writing
from tests.integration.ownership.plainly import Row, Series, plainly, tenure_of

HOUR = 60 * MINUTE
BEGIN = Instant(MONDAY + 8 * HOUR + 20 * MINUTE)
STEPS: list[Step] = [
    *(SECOND, 10 * SECOND, MINUTE, 7 * MINUTE, 10 * MINUTE, HOUR, 24 * HOUR),
    *(Calendar(days=1, zone="Asia/Kolkata"), Calendar(weeks=1, zone="Europe/Amsterdam"), Calendar(months=1)),
]
GOOD, UNCERTAIN, BAD = 0, 0x4000, -0x8000
SPAN = 150


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was measured, when the mill changed hands, and what is asked."""

    samples: tuple[tuple[int, float, int], ...]
    cuts: tuple[int, ...]
    range: tuple[int, int]
    step: Step
    good_only: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Samples in bursts with holes between them; drawn evenly, since small numbers all fall into one bucket."""
    dice = draw(st.randoms(use_true_random=True))
    grain = dice.choice([1, SECOND, SECOND, 30 * SECOND])
    bursts = [
        (dice.randrange(SPAN * MINUTE) // grain * grain, dice.randrange(1, 60)) for _ in range(dice.randrange(1, 9))
    ]
    offsets = sorted({start + n * dice.choice([grain, 3 * grain]) for start, count in bursts for n in range(count)})
    until = dice.randrange(SPAN * MINUTE + HOUR) // dice.choice([1, MINUTE])
    return Case(
        samples=tuple(
            (at, round(dice.uniform(-1e6, 1e6), 3), dice.choice([GOOD, GOOD, UNCERTAIN, BAD])) for at in offsets
        ),
        cuts=tuple(sorted({dice.randrange(1, SPAN) for _ in range(dice.randrange(1, 5))})),
        range=dice.choice([(-HOUR, SPAN * MINUTE + HOUR), (dice.randrange(-HOUR, 20 * MINUTE), 20 * MINUTE + until)]),
        step=dice.choice(STEPS),
        good_only=dice.random() < 1 / 6,
    )


def lay_out(floor: Floor, case: Case) -> tuple[Series, list[Instant]]:
    """Store the samples, and let the mill go from the lab to sme-a and back at each cut."""
    stream = floor.streams[CURRENT]
    bounds = [Instant(BEGIN + cut * MINUTE) for cut in case.cuts]
    with psycopg.connect(floor.database.admin) as admin:
        adapt(admin)
        admin.execute("DELETE FROM fieldlab.measurement")
        admin.execute("DELETE FROM fieldlab.tenure WHERE stream_id = %s", [stream])
        edges = ["-infinity", *map(str, bounds), "infinity"]
        for number, (start, until) in enumerate(pairwise(edges)):
            admin.execute(
                "INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked) "
                "SELECT %s, id, %s, %s, %s FROM fieldlab.participant WHERE slug = %s",
                [stream, start, until, number % 2 == 1, ("lab", "sme-a")[number % 2]],
            )
        with admin.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO fieldlab.measurement (stream_id, time, value, status) VALUES (%s, %s, %s, %s)",
                [(stream, Instant(BEGIN + offset), value, status) for offset, value, status in case.samples],
            )
    statuses = np.array([status for _, _, status in case.samples])
    series = Series(
        times=np.array([BEGIN + offset for offset, _, _ in case.samples], dtype=np.int64),
        values=np.array([value for _, value, _ in case.samples]),
        good=statuses == GOOD,
        bad=statuses < 0,
    )
    return series, bounds


async def given_rows(
    floor: Floor, case: Case, reader: str, *, rolled: bool | None, aggregates: Sequence[Aggregate]
) -> tuple[dict[int, dict[int, Row]], Answer]:
    """Ask for buckets; give each segment's rows by their start."""
    selection = Selection(
        streams=(CURRENT,),
        interval=Interval(start=Instant(BEGIN + case.range[0]), until=Instant(BEGIN + case.range[1])),
        limit=100_000,
        step=case.step,
        aggregates=tuple(aggregates),
        status=StatusFilter.GOOD if case.good_only else StatusFilter.ALL,
        rolled=rolled,
    )
    answer = await read.measurements(floor.scopes[reader], floor.pool, selection)
    found: dict[int, dict[int, Row]] = {segment.number: {} for segment in answer.segments}
    for row in answer.rows.to_pylist():
        start = int(row["time"].timestamp()) * SECOND + row["time"].microsecond
        assert start not in found[row["segment"]]
        found[row["segment"]][start] = {one: row[one.value] for one in aggregates}
    return found, answer


def agree(found: dict[int, Row], wanted: dict[int, Row], scale: float) -> None:
    assert set(found) == set(wanted)
    for start, row in found.items():
        for aggregate, value in row.items():
            other = wanted[start][aggregate]
            if value is None or other is None:
                assert value == other, (Instant(start), aggregate)
            else:
                slack = scale * (1e3 if aggregate is Aggregate.RATE else 1) * 1e-9
                assert math.isclose(value, other, rel_tol=1e-9, abs_tol=slack), (Instant(start), aggregate)


EXACT = {Aggregate.MEDIAN, Aggregate.P5, Aggregate.P25, Aggregate.P75, Aggregate.P95, Aggregate.P99}
ROLLABLE = [one for one in Aggregate if one not in EXACT | {Aggregate.TIME_WEIGHTED_MEAN}]
WAYS: list[tuple[bool, list[Aggregate]]] = [
    (False, list(Aggregate)),
    (False, [Aggregate.MEAN, Aggregate.COUNT]),
    (True, ROLLABLE),
]


@pytest.fixture
async def permitted(floor: Floor) -> Floor:
    """The lab and sme-a permit the outsider their data by the minute, and by five of them."""
    await writing(floor)
    every = tuple(Aggregate)
    await pact(floor, owner="sme-a", resolution_floor=MINUTE, minimum_samples=2, aggregates=every, data=ALWAYS)
    await pact(floor, owner="lab", resolution_floor=5 * MINUTE, minimum_samples=3, data=ALWAYS)
    return floor


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(case=cases())
async def test_own_data_is_aggregated_as_numpy_does(floor: Floor, case: Case) -> None:
    series, bounds = lay_out(floor, case)
    usable = series.usable(good_only=case.good_only)
    scale = float(np.max(np.abs(series.values))) if len(series.values) else 1
    for reader in ("lab", "sme-a"):
        for rolled, aggregates in WAYS:
            found, answer = await given_rows(floor, case, reader, rolled=rolled, aggregates=aggregates)
            for segment in answer.segments:
                wanted = plainly(usable, segment, tenure_of(bounds, segment), case.step)
                agree(found[segment.number], wanted, scale)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(case=cases())
async def test_under_a_floor_buckets_are_made_of_those_that_have_samples_enough(permitted: Floor, case: Case) -> None:
    series, _ = lay_out(permitted, case)
    usable = series.usable(good_only=False)
    scale = float(np.max(np.abs(series.values)))
    for rolled, aggregates in WAYS:
        found, answer = await given_rows(permitted, case, "outsider", rolled=rolled, aggregates=aggregates)
        for segment in answer.segments:
            floor = segment.basis.shape.resolution_floor
            assert floor is not None
            served = fits(case.step, floor) and not case.good_only
            agree(found[segment.number], plainly(usable, segment, ALWAYS, case.step) if served else {}, scale)
