"""A sample belongs to whoever owned the machine at its time: to the microsecond, on every path."""

from collections.abc import Sequence

import psycopg
import pytest

from fieldlab.errors import NotFound
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import FOREVER, MINUTE, SECOND, Instant
from fieldlab.storage import catalogue, read
from fieldlab.storage.selection import Answer, Selection, StatusFilter
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor
from tests.integration.ownership.rows import column, sampled, times

AROUND_TUESDAY = [Instant(TUESDAY + offset) for offset in (-1, 0, 1)]


async def ask(
    floor: Floor, reader: str, *, stream: str = CURRENT, interval: Interval = ALWAYS, step: int | None = None
) -> Answer:
    asked = Selection(streams=(stream,), interval=interval, limit=10_000, step=step, aggregates=tuple(Aggregate))
    return await read.measurements(floor.scopes[reader], floor.pool, asked)


def values(answer: Answer) -> Sequence[float | str | None]:
    assert sampled(answer)
    if "text" not in answer.rows.schema.names:
        return column(answer, "value")
    both = zip(column(answer, "value"), column(answer, "text"), strict=True)
    return [number if text is None else text for number, text in both]


def buckets(answer: Answer) -> list[tuple[int, int, bool]]:
    """Start, count and whether it is partial."""
    assert not sampled(answer)
    return list(zip(times(answer), column(answer, "count"), column(answer, "partial"), strict=True))


@pytest.fixture
def _samples_around_the_hand_over(floor: Floor) -> None:
    floor.store(CURRENT, [(time, float(number)) for number, time in enumerate(AROUND_TUESDAY)])


@pytest.mark.usefixtures("_samples_around_the_hand_over")
class TestTheSampleOnTheHandOver:
    async def test_belongs_to_the_tenure_that_begins_there_as_raw_data(self, floor: Floor) -> None:
        assert values(await ask(floor, "sme-a")) == [0.0]
        assert values(await ask(floor, "sme-b")) == [1.0, 2.0]
        assert values(await ask(floor, "lab")) == []
        with pytest.raises(NotFound):
            await ask(floor, "outsider")

    @pytest.mark.parametrize("offset", [-1, 0, 1])
    async def test_is_found_by_bounds_to_the_microsecond(self, floor: Floor, offset: int) -> None:
        exactly = Interval(start=Instant(TUESDAY + offset), until=Instant(TUESDAY + offset + 1))
        owner, other = ("sme-a", "sme-b") if offset < 0 else ("sme-b", "sme-a")
        assert times(await ask(floor, owner, interval=exactly)) == [TUESDAY + offset]
        hidden = await ask(floor, other, interval=exactly)
        assert times(hidden) == []
        assert hidden.segments == ()

    async def test_belongs_to_the_tenure_that_begins_there_as_good_data(self, floor: Floor) -> None:
        asked = Selection(streams=(CURRENT,), interval=ALWAYS, limit=10, status=StatusFilter.GOOD)
        found = {who: await read.measurements(floor.scopes[who], floor.pool, asked) for who in ("sme-a", "sme-b")}
        assert values(found["sme-a"]) == [0.0]
        assert values(found["sme-b"]) == [1.0, 2.0]

    async def test_is_counted_in_the_bucket_of_its_owner_only(self, floor: Floor) -> None:
        assert buckets(await ask(floor, "sme-a", step=MINUTE)) == [(TUESDAY - MINUTE, 1, False)]
        assert buckets(await ask(floor, "sme-b", step=MINUTE)) == [(TUESDAY, 2, False)]

    async def test_is_the_latest_value_of_its_owner_only(self, floor: Floor) -> None:
        newest = {
            who: (await read.latest(floor.scopes[who], floor.pool, (CURRENT,))).answer()
            for who in ("sme-a", "sme-b", "lab")
        }
        assert values(newest["sme-a"]) == [0.0]
        assert values(newest["sme-b"]) == [2.0]
        assert values(newest["lab"]) == []
        assert [segment.owner for segment in newest["sme-a"].segments] == ["sme-a"]

    async def test_is_in_the_extent_of_its_owner_only(self, floor: Floor) -> None:
        extents = {
            who: await catalogue.stream(floor.scopes[who], floor.engine, CURRENT) for who in ("sme-a", "sme-b", "lab")
        }
        assert (extents["sme-a"].first, extents["sme-a"].last) == (TUESDAY - 1, TUESDAY - 1)
        assert (extents["sme-b"].first, extents["sme-b"].last) == (TUESDAY, TUESDAY + 1)
        assert (extents["lab"].first, extents["lab"].last) == (None, None)

    async def test_separates_segments_that_touch_and_do_not_overlap(self, floor: Floor) -> None:
        (of_a,) = (await ask(floor, "sme-a")).segments
        (of_b,) = (await ask(floor, "sme-b")).segments
        before, after = (await ask(floor, "lab")).segments
        assert [s.interval for s in (before, of_a, of_b, after)] == [
            Interval(start=ALWAYS.start, until=MONDAY),
            Interval(start=MONDAY, until=TUESDAY),
            Interval(start=TUESDAY, until=WEDNESDAY),
            Interval(start=WEDNESDAY, until=FOREVER),
        ]
        assert [s.owner for s in (before, of_a, of_b, after)] == ["lab", "sme-a", "sme-b", "lab"]
        assert [s.trial for s in (before, of_a, of_b, after)] == [None, "trial-of-sme-a", "trial-of-sme-b", None]


async def test_a_bucket_that_a_hand_over_cuts_is_two_parts_each_marked_partial(floor: Floor) -> None:
    step = 7 * 60 * MINUTE
    start = TUESDAY - TUESDAY % step
    assert start < TUESDAY
    floor.store(CURRENT, [(Instant(TUESDAY + minute * MINUTE), 1.0) for minute in range(-30, 60)])
    cut = {who: buckets(await ask(floor, who, step=step)) for who in ("sme-a", "sme-b")}
    assert cut == {"sme-a": [(start, 30, True)], "sme-b": [(start, 60, True)]}


async def test_a_bucket_that_the_range_cuts_is_partial(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(MONDAY + second * SECOND), 1.0) for second in range(180)])
    asked = Interval(start=Instant(MONDAY + 30 * SECOND), until=Instant(MONDAY + 150 * SECOND))
    assert buckets(await ask(floor, "sme-a", interval=asked, step=MINUTE)) == [
        (MONDAY, 30, True),
        (MONDAY + MINUTE, 60, False),
        (MONDAY + 2 * MINUTE, 30, True),
    ]


async def test_a_late_sample_lands_with_whoever_owned_the_machine_then(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(WEDNESDAY + SECOND), 3.0)])
    floor.store(CURRENT, [(Instant(MONDAY + SECOND), 1.0)])
    assert values(await ask(floor, "sme-a")) == [1.0]
    assert values(await ask(floor, "sme-b")) == []
    assert values(await ask(floor, "lab")) == [3.0]


async def test_latest_after_a_tenure_ended_is_the_last_of_that_tenure(floor: Floor) -> None:
    floor.store(STATE, [(Instant(MONDAY + SECOND), "milling"), (Instant(WEDNESDAY + SECOND), "idle")])
    newest = (await read.latest(floor.scopes["sme-a"], floor.pool, (STATE,))).answer()
    assert values(newest) == ["milling"]


async def test_a_hidden_stream_is_not_found_like_one_that_does_not_exist(floor: Floor) -> None:
    messages = []
    for reference in (JOINT, "robot-1.none"):
        with pytest.raises(NotFound) as refused:
            await ask(floor, "sme-a", stream=reference)
        messages.append(str(refused.value).replace(reference, "…"))
    assert messages[0] == messages[1]


async def test_a_hidden_stream_makes_the_whole_request_not_found(floor: Floor) -> None:
    asked = Selection(streams=(CURRENT, JOINT), interval=ALWAYS, limit=10)
    with pytest.raises(NotFound, match=JOINT):
        await read.measurements(floor.scopes["sme-a"], floor.pool, asked)


async def test_pages_give_each_row_once_over_a_hand_over_back(floor: Floor) -> None:
    days = [Instant(MONDAY - 2 * MINUTE), MONDAY, TUESDAY, WEDNESDAY, Instant(WEDNESDAY + MINUTE)]
    floor.store(CURRENT, [(Instant(day + offset), float(offset)) for day in days for offset in (0, 1, SECOND)])
    whole = await ask(floor, "lab")
    assert len(whole.rows) == 9
    seen: list[int] = []
    asked = Selection(streams=(CURRENT,), interval=ALWAYS, limit=2)
    page = await read.measurements(floor.scopes["lab"], floor.pool, asked)
    seen += times(page)
    while page.next is not None:
        asked = Selection(streams=(CURRENT,), interval=ALWAYS, limit=2, after=page.next)
        page = await read.measurements(floor.scopes["lab"], floor.pool, asked)
        seen += times(page)
    assert seen == times(whole)


async def test_a_known_hole_is_told_to_each_owner_for_its_part_only(floor: Floor) -> None:
    with psycopg.connect(floor.database.gateway) as connection:
        connection.execute(
            "INSERT INTO fieldlab.gap (stream_id, start, until, cause) VALUES (%s, %s, %s, 'session_lost')",
            [floor.streams[CURRENT], str(Instant(TUESDAY - MINUTE)), str(Instant(TUESDAY + MINUTE))],
        )
    (of_a,) = (await ask(floor, "sme-a")).segments
    (of_b,) = (await ask(floor, "sme-b")).segments
    assert [gap.interval for gap in of_a.gaps] == [Interval(start=Instant(TUESDAY - MINUTE), until=TUESDAY)]
    assert [gap.interval for gap in of_b.gaps] == [Interval(start=TUESDAY, until=Instant(TUESDAY + MINUTE))]
    assert all(segment.gaps == () for segment in (await ask(floor, "lab")).segments)
    with psycopg.connect(floor.database.admin) as connection:
        connection.execute("UPDATE fieldlab.gap SET recovered = 3, closed_at = now()")
    assert [segment.gaps for segment in (await ask(floor, "sme-a")).segments] == [()], "a hole that was mended is none"
