"""The operator sees others' values in an emergency alone, and they see that it did; an erasure is whole."""

from dataclasses import replace

import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.errors import Forbidden, InvalidInput, InvalidInterval, NotFound
from fieldlab.ownership.access import End, Whose
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.instant import FOREVER, MINUTE, SECOND, Instant
from fieldlab.storage import custody, keys, ledger, read, sealing
from fieldlab.storage.database import open_engine
from fieldlab.storage.selection import Answer, Selection
from tests.integration.ownership.floor import CURRENT, MONDAY, STATE, TUESDAY, Floor

HOUR = 60 * MINUTE
WHY = "the mill's values are impossible"
FIRST_HOUR = Interval(start=MONDAY, until=Instant(MONDAY + HOUR))


async def of(floor: Floor, who: str, *, ask: Ask | None = None, stream: str = CURRENT) -> Answer:
    selection = Selection(streams=(stream,), interval=Interval(start=MONDAY, until=TUESDAY), limit=1000)
    return await read.measurements(
        floor.scopes[who], floor.pool, selection if ask is None else replace(selection, ask=ask)
    )


async def test_broken_glass_opens_what_is_named_to_whoever_names_it(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(MONDAY + number * 30 * MINUTE), float(number)) for number in range(4)])
    lab = floor.scopes["lab"]
    made = await custody.break_glass(lab, floor.engine, [CURRENT], FIRST_HOUR, reason=WHY, lasting=15 * MINUTE)
    assert made.closes_at - made.opened_at == 15 * MINUTE
    assert not (await of(floor, "lab")).segments
    answer = await of(floor, "lab", ask=Ask(basis=made.id))
    assert len(answer.rows) == 2
    (segment,) = answer.segments
    assert (segment.owner, segment.interval) == ("sme-a", FIRST_HOUR)
    assert (segment.basis.kind, segment.basis.agreement) == (BasisKind.BREAK_GLASS, made.id)
    assert not (await of(floor, "lab", ask=Ask(basis=made.id), stream=STATE)).segments
    with pytest.raises(NotFound):
        await of(floor, "outsider", ask=Ask(basis=made.id))


async def test_whose_data_it_is_is_told_at_once_and_of_every_read(floor: Floor) -> None:
    lab = floor.scopes["lab"]
    made = await custody.break_glass(lab, floor.engine, ["mill-1"], FIRST_HOUR, reason=WHY, lasting=MINUTE)
    answer = await of(floor, "lab", ask=Ask(basis=made.id))
    assert answer.access is not None
    await sealing.end(floor.engine, [End(access=answer.access.id, rows=[0] * len(answer.segments))])
    await sealing.seal(floor.engine)
    told = [leaf.said for leaf in await ledger.listed(floor.scopes["sme-a"], floor.engine, whose=Whose.OTHERS)]
    assert [(one["kind"], one["participant"], one["principal"]) for one in reversed(told)] == [
        ("break_glass", "lab", "somebody at lab"),
        ("measurements", "lab", "somebody at lab"),
    ]
    assert (told[1]["reason"], told[1]["streams"]) == (WHY, [CURRENT, STATE])
    assert [(part["basis"], part["agreement"]) for part in told[0]["segments"]] == [("break_glass", str(made.id))]
    assert [one.id for one in await custody.broken_glass(floor.scopes["sme-a"], floor.engine)] == [made.id]
    for other in ("sme-b", "outsider"):
        assert await custody.broken_glass(floor.scopes[other], floor.engine) == ()
        assert await ledger.listed(floor.scopes[other], floor.engine) == ()


async def test_broken_glass_ends_by_itself_within_the_hour(floor: Floor) -> None:
    floor.store(CURRENT, [(MONDAY, 1.0)])
    lab = floor.scopes["lab"]
    for lasting in (HOUR + 1, 0):
        with pytest.raises(InvalidInput, match="hour"):
            await custody.break_glass(lab, floor.engine, [CURRENT], ALWAYS, reason=WHY, lasting=lasting)
    made = await custody.break_glass(lab, floor.engine, [CURRENT], ALWAYS, reason=WHY, lasting=HOUR)
    with psycopg.connect(floor.database.admin) as admin:
        admin.execute("ALTER TABLE fieldlab.break_glass DISABLE TRIGGER ALL")
        admin.execute(
            "UPDATE fieldlab.break_glass SET opened_at = opened_at - interval '1 hour', "
            "closes_at = closes_at - interval '1 hour'"
        )
    assert not (await of(floor, "lab", ask=Ask(basis=made.id))).segments
    with floor.attacking("lab") as operator:
        samples = """
            SELECT held, samples FROM visible.packed_samples(
                '{0}', '{1}', '{2026-11-16Z}', '{2026-11-17Z}', ARRAY[%s::uuid], false, false, 10)
        """
        assert operator.execute(samples, [made.id]).fetchall() == [(False, 0)]


async def test_only_the_operator_breaks_glass_and_says_why(floor: Floor) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        await custody.break_glass(
            floor.scopes["lab"], floor.engine, [CURRENT], ALWAYS, reason="  why not  ", lasting=MINUTE
        )
    with pytest.raises(NotFound):
        await custody.break_glass(floor.scopes["lab"], floor.engine, ["mill-9"], ALWAYS, reason=WHY, lasting=MINUTE)
    with pytest.raises(Forbidden):
        await custody.break_glass(floor.scopes["sme-b"], floor.engine, [CURRENT], ALWAYS, reason=WHY, lasting=MINUTE)
    statement = "SELECT visible.break_glass('{mill-1}', '{}', '-infinity', 'infinity', %s, interval '1 minute')"
    for who in ("sme-a", "outsider"):
        with floor.bound(who) as attacker, pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute(statement, [WHY])
    with floor.bound("lab") as operator, pytest.raises(psycopg.errors.CheckViolation):
        operator.execute(statement.replace("1 minute", "61 minutes").encode(), [WHY])


def erasing(floor: Floor, who: str) -> None:
    """Give a participant a key that may erase."""
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        token = keys.issue(
            connection,
            participant=who,
            principal=f"eraser of {who}",
            permissions=frozenset({Permission.DATA_READ, Permission.DATA_ERASE}),
            expires_at=FOREVER,
        ).token
    administration.dispose()
    assert isinstance(floor.tokens, dict)
    floor.tokens[who] = token


async def test_an_erasure_reaches_every_form_of_one_s_own_stretch_and_nothing_else(floor: Floor) -> None:
    erasing(floor, "sme-a")
    scope = await keys.authenticate(floor.engine, floor.tokens["sme-a"])
    before, inside, after = (Instant(MONDAY + at) for at in (-SECOND, HOUR, 3 * HOUR))
    floor.store(CURRENT, [(before, 1.0), (MONDAY, 2.0), (inside, 3.0), (after, 4.0), (TUESDAY, 5.0)])
    with psycopg.connect(floor.database.admin) as admin:
        admin.execute(
            "INSERT INTO fieldlab.reject (stream_id, received_at, reason, detail, raw, time) "
            "SELECT %s, now(), 'too_late', '', 'a value', %s::timestamptz + n * interval '1 day' "
            "FROM generate_series(0, 1) AS n",
            [floor.streams[CURRENT], str(inside)],
        )
    stretch = Interval(start=Instant(MONDAY - HOUR), until=Instant(MONDAY + 2 * HOUR))
    erased = await custody.erase(scope, floor.engine, ["mill-1"], stretch, reason="a secret part")
    assert (erased.samples, erased.rejects, erased.exports) == (2, 1, 0)
    assert erased.streams == (CURRENT, STATE)
    with psycopg.connect(floor.database.admin) as admin:
        times = admin.execute("SELECT value FROM fieldlab.measurement ORDER BY time").fetchall()
        minutes = admin.execute("SELECT count(*) FROM fieldlab.measurement_1m").fetchall()
        rejects = admin.execute("SELECT count(*) FROM fieldlab.reject").fetchall()
    assert (times, minutes, rejects) == ([(1.0,), (4.0,), (5.0,)], [(3,)], [(1,)])
    assert await custody.erasures(scope, floor.engine) == (erased,)
    assert await custody.erasures(floor.scopes["lab"], floor.engine) == ()
    await sealing.seal(floor.engine)
    (leaf,) = await ledger.listed(scope, floor.engine)
    assert (leaf.said["kind"], leaf.said["samples"], leaf.said["reason"]) == ("erasure", 2, "a secret part")


async def test_an_erasure_reaches_what_was_refused_together_without_a_time_or_unread(floor: Floor) -> None:
    """Others' part of what is kept together stays; a message that nobody could read goes with all of its streams."""
    erasing(floor, "sme-a")
    scope = await keys.authenticate(floor.engine, floor.tokens["sme-a"])
    inside, after = (Instant(MONDAY + at) for at in (HOUR, 3 * HOUR))

    def lines(*times: Instant) -> bytes:
        return "\n".join(f'{{"time": "{time}", "value": "\\u00e9 {int(time)}"}}' for time in times).encode()

    refused = [
        (CURRENT, MONDAY, lines(MONDAY, inside, after, TUESDAY), 4, inside),
        (CURRENT, MONDAY, lines(inside, inside) + b'\n{"time": "2026-11-1', 3, TUESDAY),
        (CURRENT, TUESDAY, lines(TUESDAY, after), 2, inside),
        (CURRENT, None, b"without a time, inside", 1, inside),
        (CURRENT, None, b"without a time, after", 1, after),
        (None, None, b"unread inside", 1, inside),
        (None, None, b"unread after", 1, TUESDAY),
    ]
    with psycopg.connect(floor.database.admin) as admin:
        for stream, time, raw, samples, received in refused:
            admin.execute(
                "INSERT INTO fieldlab.reject (stream_id, source_id, address, received_at, reason, detail, raw, time,"
                " samples) SELECT %s, s.id, 'lab/mill-1', %s::timestamptz, 'malformed', '', %s, %s::timestamptz, %s"
                " FROM fieldlab.source AS s LIMIT 1",
                [stream and floor.streams[stream], str(received), raw, time and str(time), samples],
            )
        bind = "INSERT INTO fieldlab.binding (source_id, address, stream_id) SELECT id, %s, %s FROM fieldlab.source"
        for name in (CURRENT, STATE):
            admin.execute(bind + " LIMIT 1", [f"lab/mill-1#{name}", floor.streams[name]])

    def kept() -> list[tuple[bytes, int]]:
        with psycopg.connect(floor.database.admin) as admin:
            return admin.execute("SELECT raw, samples FROM fieldlab.reject ORDER BY id").fetchall()

    stretch = Interval(start=Instant(MONDAY - HOUR), until=Instant(MONDAY + 2 * HOUR))
    erased = await custody.erase(scope, floor.engine, [CURRENT], stretch, reason="a part")
    assert erased.rejects == 3
    rest = [(lines(after, TUESDAY), 2), (lines(TUESDAY, after), 2), (b"without a time, after", 1)]
    assert kept() == [*rest, (b"unread inside", 1), (b"unread after", 1)], "the state's part of it may be in there"
    erased = await custody.erase(scope, floor.engine, ["mill-1"], stretch, reason="all of it")
    assert erased.rejects == 1
    assert kept() == [*rest, (b"unread after", 1)]


async def test_nobody_erases_what_is_another_s_or_without_saying_exactly_what(floor: Floor) -> None:
    for who in ("sme-a", "lab"):
        erasing(floor, who)
    floor.store(CURRENT, [(TUESDAY, 5.0)])
    of_b = Interval(start=TUESDAY, until=Instant(TUESDAY + HOUR))
    for who in ("sme-a", "lab"):
        scope = await keys.authenticate(floor.engine, floor.tokens[who])
        with pytest.raises(NotFound):
            await custody.erase(scope, floor.engine, [CURRENT], of_b, reason="")
        for odd in (ALWAYS, Interval(start=Instant(MONDAY + 1), until=TUESDAY)):
            with pytest.raises(InvalidInterval):
                await custody.erase(scope, floor.engine, [CURRENT], odd, reason="")
    with pytest.raises(Forbidden, match="data:erase"):
        await custody.erase(floor.scopes["sme-b"], floor.engine, [CURRENT], of_b, reason="")
    with floor.bound("sme-b") as attacker, pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute("SELECT visible.erase('{mill-1}', '{}', '-infinity', 'infinity', '')")
    with psycopg.connect(floor.database.admin) as admin:
        assert admin.execute("SELECT count(*) FROM fieldlab.measurement").fetchone() == (1,)


@pytest.mark.parametrize("table", ["break_glass", "erasure"])
@pytest.mark.parametrize("role", ["postgres", "fieldlab_owner"])
def test_no_role_edits_these_records(floor: Floor, role: str, table: str) -> None:
    with psycopg.connect(floor.database.admin, autocommit=True) as admin:
        admin.execute(f"SET ROLE {role}".encode())
        for statement in (f"UPDATE fieldlab.{table} SET reason = ''", f"DELETE FROM fieldlab.{table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), admin.transaction():
                admin.execute(statement.encode())
