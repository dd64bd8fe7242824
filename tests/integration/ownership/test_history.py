"""Whatever has happened to a machine, every path gives each participant what brute force over the samples gives it."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.exports.plan import plan
from api.models.exports import ExportRequest
from fieldlab.assets.participant import Permission
from fieldlab.errors import NotFound
from fieldlab.ownership.agreement import Action
from fieldlab.ownership.decision import NOTHING_SAID
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.scope import Credential
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import FOREVER, MINUTE, SECOND, Instant
from fieldlab.storage import agreements, catalogue, gaps, hand_overs, keys, read
from fieldlab.storage.database import adapt, open_engine
from fieldlab.storage.selection import Selection
from tests.integration.ownership.floor import JOINT, Floor
from tests.integration.ownership.history import BEGIN, GRANTEE, HOME, MINUTES, History, Permit, chosen
from tests.integration.ownership.pact import Wanted, offer, sign, writing
from tests.integration.ownership.rows import column, times

OWNERS: Final = ("lab", "sme-a", HOME)
READERS: Final = (*OWNERS, GRANTEE)
STEP: Final = 2
"""Minutes of a bucket: a multiple of every floor."""
EVER: Final = 40 * 365 * 24 * 60 * MINUTE
WINDOW: Final = Interval(start=BEGIN, until=Instant(BEGIN + MINUTES * MINUTE))


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done, who may have what, and what was measured: offsets in microseconds from the beginning."""

    operations: tuple[tuple[str, str, int, int], ...]
    permits: tuple[tuple[Permit, str], ...]
    samples: tuple[int, ...]
    gap: tuple[int, int]
    moment: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Drawn evenly, since small numbers all fall into one bucket."""
    dice = draw(st.randoms(use_true_random=True))

    def stretch() -> tuple[int, int]:
        start = dice.randrange(MINUTES - 1)
        return start, min(MINUTES, start + dice.randrange(1, 13))

    kinds = ["hand_over"] * 4 + ["return", "correct", "cancel"]
    ends = ["active"] * 4 + ["suspended", "terminated", "embargo", "offered"]
    hole = dice.sample(range(MINUTES * 60), 2)
    edges = [minute * MINUTE + offset for minute in range(MINUTES) for offset in (-1, 0, 1) if minute or offset >= 0]
    return Case(
        operations=tuple((dice.choice(kinds), dice.choice(OWNERS[:2]), *stretch()) for _ in range(dice.randrange(9))),
        permits=tuple(
            (
                Permit(
                    owner=dice.choice(OWNERS),
                    floor=dice.choice([0, 1, 2]),
                    least=dice.randrange(1, 4),
                    data=stretch() if end == "embargo" else dice.choice([None, stretch()]),
                    open=end == "active",
                ),
                end,
            )
            for end in (dice.choice(ends) for _ in range(dice.randrange(4)))
        ),
        samples=tuple(sorted({*dice.sample(edges, 30), *(dice.randrange(MINUTES * 60) * SECOND for _ in range(60))})),
        gap=(min(hole), max(hole)),
        moment=dice.randrange(MINUTES * MINUTE),
    )


@dataclass
class Stage:
    """A lab whose robot's history is written anew for each example."""

    floor: Floor
    live: dict[str, bytes]

    def clear(self, case: Case) -> None:
        """Begin with the home owner's residual tenure and the samples, which arrived just now."""
        key = self.floor.streams[JOINT]
        with psycopg.connect(self.floor.database.admin) as admin:
            adapt(admin)
            for table in ("measurement", "gap", "arrival"):
                admin.execute(f"DELETE FROM fieldlab.{table}".encode())
            admin.execute("DELETE FROM fieldlab.tenure WHERE stream_id = %s", [key])
            admin.execute(
                "INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked) "
                "SELECT %s, id, '-infinity', 'infinity', false FROM fieldlab.participant WHERE slug = %s",
                [key, HOME],
            )
            admin.execute(
                "INSERT INTO fieldlab.gap (stream_id, start, until, cause) VALUES (%s, %s, %s, 'session_lost')",
                [key, *(Instant(BEGIN + second * SECOND) for second in case.gap)],
            )

    def store(self, case: Case) -> tuple[bytes, bytes]:
        """Let the samples arrive; give the moments before and after."""
        key = self.floor.streams[JOINT]
        stored = [Instant(BEGIN + offset) for offset in case.samples]
        with psycopg.connect(self.floor.database.api, autocommit=True) as api:
            before = api.execute("SELECT visible.moment()").fetchone()
            with psycopg.connect(self.floor.database.admin) as admin:
                adapt(admin)
                with admin.cursor() as cursor:
                    cursor.executemany(
                        "INSERT INTO fieldlab.measurement (stream_id, time, value) VALUES (%s, %s, 1.0)",
                        [(key, time) for time in stored],
                    )
                admin.execute("SELECT fieldlab.note_arrival(%s, %s, %s)", [[key], [stored[0]], [stored[-1]]])
            after = api.execute("SELECT visible.moment()").fetchone()
        assert before is not None
        assert after is not None
        return bytes(before[0]), bytes(after[0])

    async def live_through(self, case: Case) -> History:
        """Do what is drawn, where it can be done, by the product's own operations."""
        history = History()
        scope, engine = self.floor.scopes["lab"], self.floor.engine
        for kind, owner, start, until in case.operations:
            span = Interval(start=_at(start), until=_at(until))
            booking = Tenure(owner=owner, interval=span, booked=True)
            minutes = range(start, until)
            if kind == "hand_over" and history.free(minutes):
                await hand_overs.hand_over(scope, engine, "robot-1", booking)
                history.book(owner, minutes)
            elif kind != "hand_over" and start in history.bookings:
                own = history.booked_with(start)
                if kind == "return" and own[0] < start:
                    await hand_overs.return_early(scope, engine, "robot-1", _at(start))
                    history.release(minute for minute in own if minute >= start)
                elif kind == "cancel":
                    await hand_overs.correct(scope, engine, "robot-1", _at(start), None, reason="never made")
                    history.release(own)
                elif kind == "correct" and history.owners[start] != owner:
                    right = Tenure(owner=owner, interval=Interval(start=_at(own[0]), until=_at(own[-1] + 1)))
                    await hand_overs.correct(scope, engine, "robot-1", _at(start), right, reason="another's")
                    history.book(owner, own)
        return history

    async def permit(self, case: Case, history: History) -> list[Permit]:
        """Offer, sign, suspend and end agreements; those of whom the stream was never cannot be made."""
        made = []
        for permit, end in case.permits:
            if permit.owner not in history.owners.values():
                continue
            data = ALWAYS if permit.data is None else Interval(start=_at(permit.data[0]), until=_at(permit.data[1]))
            wanted: Wanted = {"owner": permit.owner, "streams": (JOINT,), "data": data}
            wanted["embargo"] = EVER if end == "embargo" else 0
            if permit.floor:
                wanted["resolution_floor"], wanted["minimum_samples"] = permit.floor * MINUTE, permit.least
            offered = await offer(self.floor, **wanted)
            if end != "offered":
                await sign(self.floor, offered)
            if end in {"suspended", "terminated"}:
                step = Action.SUSPEND if end == "suspended" else Action.TERMINATE
                await agreements.step(self.floor.scopes[permit.owner], self.floor.engine, offered.id, step)
            made.append(permit)
        return made

    def forget(self) -> None:
        """End every agreement, so that the next example begins without any."""
        with psycopg.connect(self.floor.database.admin) as admin:
            admin.execute("ALTER TABLE fieldlab.agreement DISABLE TRIGGER ALL")
            admin.execute("UPDATE fieldlab.agreement SET state = 'terminated'")
            admin.execute("ALTER TABLE fieldlab.agreement ENABLE TRIGGER ALL")


def _at(minute: int) -> Instant:
    return Instant(BEGIN + minute * MINUTE)


@pytest.fixture
async def stage(floor: Floor) -> Stage:
    await writing(floor)
    engine = open_engine(floor.database.admin, name="tests")
    follows = frozenset({Permission.DATA_READ, Permission.DATA_LIVE})
    with engine.begin() as connection:
        tokens = {
            who: keys.issue(connection, participant=who, principal="p", permissions=follows, expires_at=FOREVER).token
            for who in READERS
        }
    engine.dispose()
    return Stage(floor=floor, live={who: Credential.of(token).digest for who, token in tokens.items()})


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(case=cases())
async def test_every_path_gives_what_brute_force_gives(stage: Stage, case: Case) -> None:
    stage.clear(case)
    history = await stage.live_through(case)
    permits = await stage.permit(case, history)
    moments = stage.store(case)
    numbered, grounds = history.tenures(), chosen(history, permits)
    for who in READERS:
        floored = {m: ground for m, ground in grounds.items() if who == GRANTEE and ground[1].floor}
        plain = {m for m, ground in grounds.items() if who == GRANTEE and not ground[1].floor}
        plain |= {m for m, owner in history.owners.items() if owner == who}
        seen = [offset for offset in case.samples if offset // MINUTE in plain]
        if not plain and not floored and who not in {"lab", HOME}:
            with pytest.raises(NotFound):
                await samples_of(stage, who)
            continue
        assert await samples_of(stage, who) == seen
        assert await counts_of(stage, who) == counted(case, seen, floored)
        assert await newest_of(stage, who) == seen[-1:]
        start = held_since(case.moment // MINUTE, who, history, numbered, grounds)
        in_force = [] if start is None else [offset for offset in seen if start <= offset <= case.moment][-1:]
        assert await in_force_at(stage, who, case.moment) == in_force
        assert await edges_of(stage, who) == ((seen[0], seen[-1]) if seen else None)
        assert arrived(stage, who, moments) == [offset for offset in seen if history.owners[offset // MINUTE] == who]
        assert await planned(stage, who) == {m for m in (*plain, *floored) if 0 <= m < MINUTES}
        assert await missing(stage, who) == lost(case.gap, plain, floored)
    stage.forget()


def counted(case: Case, seen: list[int], floored: dict[int, tuple[int, Permit]]) -> dict[int, int]:
    """Count what is seen by buckets; under a floor those of its buckets that are whole and have samples enough."""
    counts = Counter(offset // MINUTE // STEP for offset in seen)
    inside = Counter(offset // MINUTE for offset in case.samples)
    for first in range(0, MINUTES, STEP):
        grounds = {floored.get(minute) for minute in range(first, first + STEP)}
        if len(grounds) == 1 and (ground := grounds.pop()) is not None:
            floor = ground[1].floor
            for begun in range(first, first + STEP, floor):
                samples = sum(inside[minute] for minute in range(begun, begun + floor))
                counts[first // STEP] += samples if samples >= ground[1].least else 0
    return {bucket: count for bucket, count in counts.items() if count}


def held_since(
    minute: int, who: str, history: History, numbered: dict[int, int], grounds: dict[int, tuple[int, Permit]]
) -> int | None:
    """Give the offset from which on a reader holds, without a break, what it reads in a minute; None if nothing."""
    if history.owners[minute] == who:
        return min(m for m, number in numbered.items() if number == numbered[minute]) * MINUTE
    ground = grounds.get(minute) if who == GRANTEE else None
    if ground is None or ground[1].floor:
        return None
    tenure, permit = ground
    return min(m for m, number in numbered.items() if number == tenure and permit.covers(m)) * MINUTE


def lost(gap: tuple[int, int], plain: set[int], floored: dict[int, tuple[int, Permit]]) -> set[int]:
    """Give the seconds of a hole that a reader is told of: under a floor whole buckets of it."""
    seconds = {second for second in range(*gap) if second // 60 in plain}
    for minute, (_, permit) in floored.items():
        width = permit.floor * 60
        begun, ended = gap[0] // width * width, -(-gap[1] // width) * width
        seconds |= {second for second in range(minute * 60, minute * 60 + 60) if begun <= second < ended}
    return {second for second in seconds if 0 <= second < MINUTES * 60}


async def samples_of(stage: Stage, who: str) -> list[int]:
    answer = await read.measurements(
        stage.floor.scopes[who], stage.floor.pool, Selection(streams=(JOINT,), interval=WINDOW)
    )
    return [time - BEGIN for time in times(answer)]


async def counts_of(stage: Stage, who: str) -> dict[int, int]:
    asked = Selection(streams=(JOINT,), interval=WINDOW, step=STEP * MINUTE, aggregates=(Aggregate.COUNT,), limit=1000)
    answer = await read.measurements(stage.floor.scopes[who], stage.floor.pool, asked)
    found: Counter[int] = Counter()
    for time, count in zip(times(answer), column(answer, "count"), strict=True):
        found[(time - BEGIN) // MINUTE // STEP] += count
    return dict(found)


async def newest_of(stage: Stage, who: str) -> list[int]:
    return [time - BEGIN for time in times(await read.latest(stage.floor.scopes[who], stage.floor.pool, (JOINT,)))]


async def in_force_at(stage: Stage, who: str, offset: int) -> list[int]:
    asked = Selection(streams=(JOINT,), interval=ALWAYS, as_of=Instant(BEGIN + offset))
    return [time - BEGIN for time in times(await read.measurements(stage.floor.scopes[who], stage.floor.pool, asked))]


async def edges_of(stage: Stage, who: str) -> tuple[int, int] | None:
    found = await catalogue.stream(stage.floor.scopes[who], stage.floor.engine, JOINT)
    return None if found.first is None or found.last is None else (found.first - BEGIN, found.last - BEGIN)


def arrived(stage: Stage, who: str, moments: tuple[bytes, bytes]) -> list[int]:
    with psycopg.connect(stage.floor.database.api) as api:
        adapt(api)
        rows = api.execute(
            "SELECT time FROM visible.live_samples(%s, '{1}', %s, %s, %s, -1, '-infinity', 10000)",
            [[stage.live[who]], [stage.floor.streams[JOINT]], *moments],
        ).fetchall()
    return [time - BEGIN for (time,) in rows]


async def planned(stage: Stage, who: str) -> set[int]:
    request = ExportRequest.model_validate(
        {"stream": [JOINT], "from": str(WINDOW.start), "until": str(WINDOW.until), "step": f"{STEP}m"}
    )
    try:
        found = await plan(stage.floor.scopes[who], stage.floor.engine, stage.floor.pool, request)
    except NotFound:
        return set()
    return {
        minute
        for segment in found.segments
        for minute in range((segment.interval.start - BEGIN) // MINUTE, (segment.interval.until - BEGIN) // MINUTE)
    }


async def missing(stage: Stage, who: str) -> set[int]:
    page = await gaps.gaps(stage.floor.scopes[who], stage.floor.pool, (JOINT,), WINDOW, NOTHING_SAID, limit=1000)
    return {
        second
        for one in page.items
        for second in range((one.gap.interval.start - BEGIN) // SECOND, (one.gap.interval.until - BEGIN) // SECOND)
    }
