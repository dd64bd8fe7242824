"""A chart has at most so many points a stream, each a sample that was measured, chosen within its stretch."""

import math

import psycopg
import pytest

from fieldlab.errors import InvalidInput
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.selection import Answer, Selection, StatusFilter
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor
from tests.integration.ownership.pact import pact, writing
from tests.integration.ownership.rows import column, times

HOUR = 60 * MINUTE
PEAKS = {MONDAY + 5 * HOUR + 17 * SECOND: 900.0, MONDAY + 19 * HOUR + 1_234_567: -900.0}


@pytest.fixture
def _two_days(floor: Floor) -> None:
    """A sample every ten seconds on Monday and Tuesday, with two lonely peaks on Monday and some that are bad."""
    with psycopg.connect(floor.database.admin) as admin:
        admin.execute(
            "INSERT INTO fieldlab.measurement (stream_id, time, value) "
            "SELECT %s, %s::timestamptz + n * interval '10 s', sin(n / 300.0) * 10 + n %% 7 "
            "FROM generate_series(0, 2 * 8640 - 1) AS n",
            [floor.streams[CURRENT], str(MONDAY)],
        )
    floor.store(CURRENT, [(Instant(at), value) for at, value in PEAKS.items()])
    floor.store(CURRENT, [(Instant(MONDAY + 7 * HOUR + 1), 1e9)], status=-0x8000)
    floor.store(CURRENT, [(Instant(MONDAY + 7 * HOUR + 2), float("nan")), (Instant(MONDAY + 1), float("inf"))])
    floor.store(STATE, [(MONDAY, "milling")])


async def chart(
    floor: Floor, reader: str, points: int, *, interval: Interval = ALWAYS, rolled: bool | None = None
) -> Answer:
    selection = Selection(streams=(CURRENT,), interval=interval, points=points, rolled=rolled)
    return await read.measurements(floor.scopes[reader], floor.pool, selection)


@pytest.mark.usefixtures("_two_days")
class TestAChart:
    @pytest.mark.parametrize("points", [3, 10, 100, 1000, 5000, 20_000])
    @pytest.mark.parametrize("rolled", [False, True])
    async def test_has_no_more_points_than_asked_and_both_ends(self, floor: Floor, points: int, rolled: bool) -> None:
        answer = await chart(floor, "sme-a", points, rolled=rolled)
        seen = times(answer)
        assert len(seen) <= points
        assert len(seen) > min(points, 8642) * 0.6
        assert seen == sorted(set(seen))
        assert (seen[0], seen[-1]) == (MONDAY, TUESDAY - 10 * SECOND) or points <= 1000

    @pytest.mark.parametrize("rolled", [False, True])
    async def test_shows_what_sticks_out_and_nothing_that_was_not_measured(self, floor: Floor, rolled: bool) -> None:
        answer = await chart(floor, "sme-a", 100, rolled=rolled)
        shown = dict(zip(times(answer), column(answer, "value"), strict=True))
        assert PEAKS.items() <= shown.items()
        everything = Selection(streams=(CURRENT,), interval=ALWAYS)
        raw = await read.measurements(floor.scopes["sme-a"], floor.pool, everything)
        assert shown.items() <= dict(zip(times(raw), column(raw, "value"), strict=True)).items()

    async def test_of_few_samples_is_all_of_them(self, floor: Floor) -> None:
        hour = Interval(start=Instant(MONDAY + 2 * HOUR), until=Instant(MONDAY + 3 * HOUR))
        assert len(times(await chart(floor, "sme-a", 360, interval=hour))) == 360
        assert len(times(await chart(floor, "sme-a", 359, interval=hour))) == 359

    async def test_chooses_each_owner_s_points_from_its_own_stretch(self, floor: Floor) -> None:
        for reader, start, until in (("sme-a", MONDAY, TUESDAY), ("sme-b", TUESDAY, WEDNESDAY)):
            seen = times(await chart(floor, reader, 50))
            assert start <= seen[0] < seen[-1] < until
        assert len((await chart(floor, "lab", 50)).rows) == 0

    async def test_with_too_few_points_for_its_stretches_says_how_many_it_needs(self, floor: Floor) -> None:
        floor.store(CURRENT, [(Instant(at + n), 1.0) for at in (MONDAY - HOUR, WEDNESDAY) for n in range(20)])
        assert len((await chart(floor, "lab", 6)).rows) == 6
        with pytest.raises(InvalidInput, match="points=6 or more"):
            await chart(floor, "lab", 5)

    async def test_of_text_is_refused_and_beside_numbers_left_out(self, floor: Floor) -> None:
        with pytest.raises(InvalidInput, match="numbers"):
            await read.measurements(
                floor.scopes["sme-a"], floor.pool, Selection(streams=(STATE,), interval=ALWAYS, points=10)
            )
        both = Selection(streams=(STATE, CURRENT), interval=ALWAYS, points=10)
        answer = await read.measurements(floor.scopes["sme-a"], floor.pool, both)
        assert len(answer.rows) == 10

    async def test_under_a_floor_is_made_of_means_of_its_buckets(self, floor: Floor) -> None:
        await writing(floor)
        await pact(floor, resolution_floor=10 * MINUTE, aggregates=(Aggregate.MEAN,))
        for points in (12, 144, 1000):
            answer = await chart(floor, "outsider", points)
            seen = dict(zip(times(answer), column(answer, "value"), strict=True))
            assert 0 < len(seen) <= points
            assert all(at % (10 * MINUTE) == 0 for at in seen)
            assert max(seen.values()) < 100
        whole = Selection(streams=(CURRENT,), interval=ALWAYS, step=10 * MINUTE, aggregates=(Aggregate.MEAN,))
        means = await read.measurements(floor.scopes["outsider"], floor.pool, whole)
        rows = zip(times(means), column(means, "mean"), strict=True)
        assert seen == {at: mean for at, mean in rows if math.isfinite(mean)}

    async def test_under_a_floor_without_means_or_with_a_filter_is_empty(self, floor: Floor) -> None:
        await writing(floor)
        made = await pact(floor, resolution_floor=10 * MINUTE, aggregates=(Aggregate.MAX,))
        assert len((await chart(floor, "outsider", 100)).rows) == 0
        other = await pact(floor, resolution_floor=10 * MINUTE, aggregates=(Aggregate.MEAN,))
        asked = Selection(
            streams=(CURRENT,), interval=ALWAYS, points=100, status=StatusFilter.GOOD, ask=Ask(basis=other.id)
        )
        assert made.id != other.id
        assert len((await read.measurements(floor.scopes["outsider"], floor.pool, asked)).rows) == 0


async def test_of_nothing_is_empty(floor: Floor) -> None:
    selection = Selection(streams=(JOINT,), interval=ALWAYS, points=10)
    answer = await read.measurements(floor.scopes["sme-b"], floor.pool, selection)
    assert len(answer.rows) == 0
    assert answer.rows.schema.names == ["time", "value", "origins", "segment"]
