"""A reader with a resolution floor gets whole, sealed buckets of it with samples enough, and nothing finer by any SQL.

The mill's current has a sample a second around Monday noon, except that one minute has four samples only. The agreement
has a floor of sixty seconds, five samples at least, mean and count.
"""

import math
from itertools import product
from typing import Any

import psycopg
import pytest

from fieldlab.errors import NotFound
from fieldlab.ownership.agreement import Action
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import agreements, catalogue, read
from fieldlab.storage.selection import Answer, Selection, StatusFilter
from tests.integration.ownership.floor import CURRENT, MONDAY, TUESDAY, Floor
from tests.integration.ownership.pact import offer, pact, sign, writing
from tests.integration.ownership.rows import column, sampled, times

NOON = Instant(MONDAY + 720 * MINUTE)
SPARSE = Instant(NOON + 3 * MINUTE)
PACKED = """
    SELECT samples FROM visible.packed_samples(
        '{{0}}', ARRAY[%(stream)s::integer], ARRAY[%(start)s::timestamptz], ARRAY[%(until)s::timestamptz],
        ARRAY[{under}::uuid], {good_only}, true, 100000)
    WHERE samples > 0
"""
"""How many samples of one stretch come out, if any."""
MINUTES = 12
FOUR = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT)
STEPS = [MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, 60 * MINUTE]


@pytest.fixture
async def lab(floor: Floor) -> Floor:
    """Twelve minutes from noon, and the last minute before the hand-over."""
    await writing(floor)
    seconds = [Instant(NOON + n * SECOND) for n in range(60 * MINUTES)]
    kept = [at for at in seconds if not SPARSE + 4 * SECOND <= at < SPARSE + MINUTE]
    floor.store(CURRENT, [(at, float((at - NOON) // SECOND)) for at in kept])
    floor.store(CURRENT, [(Instant(TUESDAY + n * SECOND), 1.0) for n in range(-90, 90)])
    return floor


async def ask(
    lab: Floor,
    interval: Interval = ALWAYS,
    *,
    step: int | None = MINUTE,
    reader: str = "outsider",
    more: Selection | None = None,
) -> Answer:
    chosen = more or Selection(
        streams=(CURRENT,), interval=interval, limit=10_000, step=step, aggregates=tuple(Aggregate)
    )
    return await read.measurements(lab.scopes[reader], lab.pool, chosen)


def rows(answer: Answer) -> dict[int, tuple[Any, ...]]:
    """Mean, min, max and count by start; no bucket twice."""
    if sampled(answer):
        assert len(answer.rows) == 0
        return {}
    assert not any(column(answer, "partial"))
    columns = [column(answer, one) for one in FOUR]
    made = dict(zip(times(answer), zip(*columns, strict=True), strict=True))
    assert len(made) == len(answer.rows)
    return made


async def test_it_gives_whole_buckets_with_samples_enough_their_mean_and_count(lab: Floor) -> None:
    await pact(lab, resolution_floor=MINUTE)
    given = rows(await ask(lab, Interval(start=NOON, until=Instant(NOON + 60 * MINUTE))))
    assert set(given) == {NOON + n * MINUTE for n in range(MINUTES)} - {SPARSE}
    mean, least, greatest, count = given[NOON]
    assert (mean, least, greatest, count) == (29.5, None, None, 60)


async def test_only_the_allowed_aggregates_are_given(lab: Floor) -> None:
    await pact(lab, resolution_floor=MINUTE, aggregates=(Aggregate.MAX,))
    given = rows(await ask(lab, Interval(start=NOON, until=Instant(NOON + MINUTE))))
    assert given == {NOON: (None, None, 59.0, None)}


async def test_a_segment_says_floor_samples_and_aggregates(lab: Floor) -> None:
    made = await pact(lab, resolution_floor=MINUTE)
    (segment,) = (await ask(lab)).segments
    shape = segment.basis.shape
    assert (segment.basis.agreement, shape.resolution_floor, shape.minimum_samples) == (made.id, MINUTE, 5)
    assert shape.aggregates == (Aggregate.COUNT, Aggregate.MEAN)


async def test_the_bucket_that_a_hand_over_cuts_is_absent_below_a_floor_and_two_parts_without(lab: Floor) -> None:
    long = 7 * MINUTE
    cut = TUESDAY - TUESDAY % long
    assert cut < TUESDAY < cut + long
    around = Interval(start=Instant(TUESDAY - 60 * MINUTE), until=Instant(TUESDAY + 60 * MINUTE))
    await pact(lab, resolution_floor=MINUTE)
    await pact(lab, owner="sme-b", resolution_floor=MINUTE)
    assert set(rows(await ask(lab, around))) == {TUESDAY + n * MINUTE for n in (-2, -1, 0, 1)}
    assert rows(await ask(lab, around, step=long)) == {}
    for owner in ("sme-a", "sme-b"):
        of_owner = await ask(lab, around, step=long, reader=owner)
        assert column(of_owner, "partial") == [True]
        assert times(of_owner) == [cut]


@pytest.mark.parametrize(("step", "shift"), [*product(STEPS, [0, 1, 17 * SECOND, MINUTE, 90 * SECOND])])
async def test_no_step_and_no_start_tells_more_than_the_floor_s_own_buckets(lab: Floor, step: int, shift: int) -> None:
    """Each coarser bucket, from whichever start, is made of the finest ones that are given, and of nothing else."""
    await pact(lab, resolution_floor=MINUTE)
    finest = rows(await ask(lab))
    asked = Interval(start=Instant(NOON + shift), until=Instant(NOON + 2 * 60 * MINUTE - shift))
    for start, (mean, _, _, count) in rows(await ask(lab, asked, step=step)).items():
        assert start % step == 0
        assert asked.start <= start
        assert start + step <= asked.until
        parts = [finest[at] for at in range(start, start + step, MINUTE) if at in finest]
        assert count == sum(part[3] for part in parts)
        assert math.isclose(mean, sum(part[0] * part[3] for part in parts) / count)


@pytest.mark.parametrize("step", [1, SECOND, 30 * SECOND, 90 * SECOND, MINUTE + 1, MINUTE - 1, None])
async def test_a_step_that_is_no_multiple_gives_nothing(lab: Floor, step: int | None) -> None:
    await pact(lab, resolution_floor=MINUTE)
    answer = await ask(lab, step=step)
    assert len(answer.rows) == 0
    assert [segment.basis.shape.resolution_floor for segment in answer.segments] == [MINUTE]


async def test_a_filter_whose_difference_is_one_sample_gives_nothing(lab: Floor) -> None:
    uncertain = 0x40000000 >> 16
    lab.store(CURRENT, [(Instant(NOON + 1), 1e6)], status=uncertain)
    await pact(lab, resolution_floor=MINUTE)
    asked = Selection(
        streams=(CURRENT,),
        interval=ALWAYS,
        limit=100,
        step=MINUTE,
        aggregates=tuple(Aggregate),
        status=StatusFilter.GOOD,
    )
    assert rows(await ask(lab, more=asked)) == {}
    assert rows(await ask(lab))[NOON][3] == 61


async def test_pages_give_the_same_as_one_answer(lab: Floor) -> None:
    await pact(lab, resolution_floor=MINUTE)
    whole = rows(await ask(lab, step=2 * MINUTE))
    seen: dict[int, tuple[Any, ...]] = {}
    after = None
    while True:
        asked = Selection(
            streams=(CURRENT,), interval=ALWAYS, limit=2, step=2 * MINUTE, aggregates=tuple(Aggregate), after=after
        )
        page = await ask(lab, more=asked)
        seen |= rows(page)
        after = page.next
        if after is None:
            break
    assert seen == whole
    assert len(whole) > 4


async def test_first_last_and_latest_are_not_for_it(lab: Floor) -> None:
    await pact(lab, resolution_floor=MINUTE)
    scope = lab.scopes["outsider"]
    stream = await catalogue.stream(scope, lab.engine, CURRENT)
    assert (stream.first, stream.last) == (None, None)
    newest = await read.latest(scope, lab.pool, (CURRENT,))
    assert (newest.samples, newest.segments) == ((), ())


async def test_a_known_hole_is_told_in_whole_buckets(lab: Floor) -> None:
    with psycopg.connect(lab.database.gateway) as connection:
        connection.execute(
            "INSERT INTO fieldlab.gap (stream_id, start, until, cause) VALUES (%s, %s, %s, 'session_lost')",
            [lab.streams[CURRENT], str(Instant(NOON + 61 * SECOND)), str(Instant(NOON + 119 * SECOND))],
        )
    await pact(lab, resolution_floor=MINUTE)
    (segment,) = (await ask(lab)).segments
    assert [gap.interval for gap in segment.gaps] == [
        Interval(start=Instant(NOON + MINUTE), until=Instant(NOON + 2 * MINUTE))
    ]


async def test_the_newest_bucket_is_sealed_only_when_the_embargo_has_passed_it(lab: Floor) -> None:
    now = Instant.now()
    first = Instant(now // MINUTE * MINUTE - 20 * MINUTE)
    lab.store("robot-1.joint", [(Instant(first + n * SECOND), 1.0) for n in range(20 * 60)])
    await pact(
        lab, owner="sme-b", streams=("robot-1.joint",), resolution_floor=MINUTE, embargo=10 * MINUTE + 30 * SECOND
    )
    asked = Selection(
        streams=("robot-1.joint",), interval=ALWAYS, limit=100, step=MINUTE, aggregates=(Aggregate.COUNT,)
    )
    answer = await ask(lab, more=asked)
    bound = answer.decided_at - 10 * MINUTE - 30 * SECOND
    assert max(times(answer)) + MINUTE <= bound < max(times(answer)) + 2 * MINUTE
    assert set(column(answer, "count")) == {60}
    assert answer.segments[0].interval.until == bound // MINUTE * MINUTE


async def test_a_preview_is_what_the_grantee_then_sees(lab: Floor) -> None:
    range_ = Interval(start=Instant(NOON - 1), until=TUESDAY)
    proposed = await offer(
        lab, resolution_floor=MINUTE, data=Interval(start=Instant(NOON + 1), until=Instant(NOON + 8 * MINUTE))
    )
    asked = Selection(
        streams=(CURRENT,),
        interval=range_,
        limit=100,
        step=2 * MINUTE,
        aggregates=tuple(Aggregate),
        preview=proposed.id,
    )
    shown = await ask(lab, reader="sme-a", more=asked)
    assert {segment.basis.kind for segment in shown.segments} == {BasisKind.PREVIEW}
    with pytest.raises(NotFound):
        await ask(lab)
    await sign(lab, proposed)
    seen = await ask(lab, range_, step=2 * MINUTE)
    assert rows(shown) == rows(seen) != {}
    assert [segment.interval for segment in shown.segments] == [segment.interval for segment in seen.segments]
    for other in ("lab", "outsider"):
        assert (await ask(lab, reader=other, more=asked)).segments == ()


async def test_an_owner_s_own_answers_know_nothing_of_previews(lab: Floor) -> None:
    before = await ask(lab, reader="sme-a")
    await offer(lab, resolution_floor=MINUTE)
    after = await ask(lab, reader="sme-a")
    assert [(one.interval, one.basis) for one in after.segments] == [
        (one.interval, one.basis) for one in before.segments
    ]
    assert rows_of(after) == rows_of(before)


def rows_of(answer: Answer) -> list[Any]:
    return [times(answer), *(column(answer, one) for one in Aggregate if one in answer.rows.schema.names)]


class TestWithAnySql:
    """The attacker holds the query service's password and the grantee's token, and knows every key."""

    @pytest.fixture
    async def known(self, lab: Floor) -> tuple[Any, ...]:
        made = await pact(lab, resolution_floor=MINUTE)
        (segment,) = (await ask(lab)).segments
        return made.id, lab.streams[CURRENT], segment.tenure

    async def test_no_sample_first_last_or_latest_comes_out(self, lab: Floor, known: tuple[Any, ...]) -> None:
        id_, stream, _ = known
        hour = {"start": str(NOON), "until": str(Instant(NOON + 60 * MINUTE))}
        statements = [
            PACKED.format(under="NULL", good_only="false"),
            PACKED.format(under="%(id)s", good_only="true"),
            PACKED.format(under="%(id)s", good_only="false"),
            "SELECT * FROM visible.latest(ARRAY[%(stream)s])",
            "SELECT * FROM visible.latest(ARRAY[%(stream)s], ARRAY[%(id)s::uuid])",
            "SELECT * FROM visible.extent(ARRAY[%(stream)s])",
            "SELECT * FROM visible.reject",
            "SELECT * FROM visible.account",
        ]
        with lab.attacking("outsider") as attacker:
            for statement in statements:
                found = attacker.execute(statement.encode(), hour | {"stream": stream, "id": id_}).fetchall()
                assert found == [], statement

    def buckets(self, attacker: psycopg.Connection, known: tuple[Any, ...], **changed: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        id_, stream, tenure = known
        times = changed.pop("times", 1)
        given = {
            "numbers": [0] * times,
            "streams": [stream] * times,
            "tenures": [tenure] * times,
            "starts": ["-infinity"] * times,
            "untils": ["infinity"] * times,
            "step": MINUTE,
            "good_only": False,
            "under": [id_] * times,
        } | changed
        return attacker.execute(
            "SELECT start, mean, count, lowest, highest FROM visible.buckets(%(numbers)s, %(streams)s, %(tenures)s, "
            "%(starts)s::timestamptz[], %(untils)s::timestamptz[], %(step)s, %(good_only)s, 100000, %(under)s::uuid[])",
            given,
        ).fetchall()

    async def test_no_bucket_that_is_finer_filtered_or_too_small_comes_out(
        self, lab: Floor, known: tuple[Any, ...]
    ) -> None:
        with lab.attacking("outsider") as attacker:
            whole = self.buckets(attacker, known)
            assert len(whole) > MINUTES - 2
            assert str(SPARSE) not in {str(row[0]) for row in whole}
            assert all(row[3:] == (None, None) for row in whole)
            for step in (SECOND, 30 * SECOND, 61 * SECOND, 90 * SECOND):
                assert self.buckets(attacker, known, step=step) == []
            assert self.buckets(attacker, known, good_only=True) == []
            assert self.buckets(attacker, known, under=[None]) == []
            assert self.buckets(attacker, known, under=None) == []

    async def test_a_range_within_a_bucket_gives_nothing_of_it(self, lab: Floor, known: tuple[Any, ...]) -> None:
        with lab.attacking("outsider") as attacker:
            for start, until in ((1, MINUTE), (0, MINUTE - 1), (10 * SECOND, 50 * SECOND)):
                cut = {"starts": [str(Instant(NOON + start))], "untils": [str(Instant(NOON + until))]}
                assert self.buckets(attacker, known, **cut) == []

    async def test_asking_for_a_stretch_twice_does_not_make_few_samples_many(
        self, lab: Floor, known: tuple[Any, ...]
    ) -> None:
        with lab.attacking("outsider") as attacker:
            for times in (2, 5):
                doubled = self.buckets(attacker, known, times=times)
                assert str(SPARSE) not in {str(row[0]) for row in doubled}
                split = {
                    "times": 2,
                    "starts": [str(SPARSE), str(Instant(SPARSE + 1))],
                    "untils": [str(Instant(SPARSE + MINUTE))] * 2,
                }
                assert self.buckets(attacker, known, **split) == []

    async def test_the_longer_step_leaves_out_what_the_shorter_withholds(
        self, lab: Floor, known: tuple[Any, ...]
    ) -> None:
        with lab.attacking("outsider") as attacker:
            one = {row[0]: row for row in self.buckets(attacker, known)}
            two = {row[0]: row for row in self.buckets(attacker, known, step=2 * MINUTE)}
        around = Instant(SPARSE // (2 * MINUTE) * 2 * MINUTE)
        assert two[around][1:3] == one[around][1:3]

    async def test_nothing_comes_out_under_another_s_agreement_or_after_the_end(
        self, lab: Floor, known: tuple[Any, ...]
    ) -> None:
        for other in ("sme-b", "lab"):
            with lab.attacking(other) as attacker:
                assert self.buckets(attacker, known) == []
        await agreements.step(lab.scopes["sme-a"], lab.engine, known[0], Action.SUSPEND)
        with lab.attacking("outsider") as attacker:
            assert self.buckets(attacker, known) == []
            assert (
                attacker.execute("SELECT * FROM visible.segments(ARRAY[1,2,3], '-infinity', 'infinity')").fetchall()
                == []
            )

    async def test_a_finer_agreement_does_not_open_what_a_coarser_one_covers(
        self, lab: Floor, known: tuple[Any, ...]
    ) -> None:
        fine = await pact(lab, data=Interval(start=NOON, until=Instant(NOON + MINUTE)))
        minute = {"start": NOON, "until": NOON + MINUTE}
        wider = ({"start": NOON - 1}, {"until": NOON + MINUTE + 1}, {"until": NOON + 2 * MINUTE})
        with lab.attacking("outsider") as attacker:
            for bounds, samples in (minute, [(60,)]), *((minute | one, []) for one in wider):
                asked = {name: str(Instant(bound)) for name, bound in bounds.items()}
                statement = PACKED.format(under="%(id)s", good_only="false")
                given = attacker.execute(statement.encode(), asked | {"stream": known[1], "id": fine.id}).fetchall()
                assert given == samples


async def test_named_agreements_are_never_mixed(lab: Floor) -> None:
    coarse = await pact(lab, resolution_floor=5 * MINUTE)
    fine = await pact(lab, resolution_floor=MINUTE, data=Interval(start=NOON, until=Instant(NOON + 3 * MINUTE)))
    asked = Interval(start=NOON, until=Instant(NOON + 10 * MINUTE))
    answer = await ask(lab, asked)
    assert {segment.basis.agreement for segment in answer.segments} == {coarse.id, fine.id}
    assert set(rows(answer)) == {NOON, NOON + MINUTE, NOON + 2 * MINUTE}
    selection = Selection(
        streams=(CURRENT,),
        interval=asked,
        limit=10,
        step=5 * MINUTE,
        aggregates=tuple(Aggregate),
        ask=Ask(basis=coarse.id),
    )
    assert set(rows(await ask(lab, more=selection))) == {NOON, NOON + 5 * MINUTE}
