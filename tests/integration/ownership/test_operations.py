"""Extensions, corrections, single streams and whole trials: each one transaction, each in the history."""

import json

import psycopg
import pytest

from fieldlab.assets.lab import DeclaredStream
from fieldlab.errors import NotFound, TenureConflict
from fieldlab.ownership.access import Access, AccessKind, Whose
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.storage import hand_overs, ledger, read, sealing, tenure_events, trials
from fieldlab.storage.amendment import Part
from fieldlab.storage.database import adapt, open_engine
from fieldlab.storage.declare import declare
from fieldlab.storage.selection import Selection
from fieldlab.storage.transaction import changing
from tests.integration.ownership.decided import segments_of
from tests.integration.ownership.floor import CURRENT, JOINT, LAB, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor

HOUR = 60 * MINUTE


def booked(owner: str, start: int, until: int, trial: str | None = None) -> Tenure:
    return Tenure(owner=owner, trial=trial, booked=True, interval=Interval(start=Instant(start), until=Instant(until)))


async def owned(floor: Floor, who: str, stream: str = CURRENT) -> list[tuple[int, int]]:
    """The stretches that a participant's answers have of a stream."""
    selection = Selection(streams=(stream,), interval=ALWAYS, limit=1)
    answer = await read.measurements(floor.scopes[who], floor.pool, selection)
    return [(segment.interval.start, segment.interval.until) for segment in answer.segments]


async def test_an_extension_is_refused_by_the_next_booking_without_saying_whose(floor: Floor) -> None:
    lab = floor.scopes["lab"]
    with pytest.raises(TenureConflict) as refused:
        await hand_overs.extend(lab, floor.engine, "mill-1", MONDAY, Instant(TUESDAY + MINUTE))
    assert "sme" not in str(refused.value)
    await hand_overs.extend(lab, floor.engine, "mill-1", TUESDAY, Instant(WEDNESDAY + HOUR))
    assert await owned(floor, "sme-b") == [(TUESDAY, WEDNESDAY + HOUR)]
    assert await owned(floor, "sme-a") == [(MONDAY, TUESDAY)]


async def test_a_correction_of_the_past_holds_for_all_later_reads_at_once(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(TUESDAY - 10 * MINUTE), 1.0), (Instant(TUESDAY - HOUR), 2.0)])
    right = booked("sme-a", MONDAY, TUESDAY - HOUR, "trial-of-sme-a")
    await hand_overs.correct(floor.scopes["lab"], floor.engine, "mill-1", MONDAY, right, reason="left early")
    assert await owned(floor, "sme-a") == [(MONDAY, TUESDAY - HOUR)]
    whose = Selection(streams=(CURRENT,), interval=ALWAYS, limit=10)
    answer = await read.measurements(floor.scopes["lab"], floor.pool, whose)
    assert len(answer.rows) == 2
    assert not len((await read.measurements(floor.scopes["sme-a"], floor.pool, whose)).rows)


async def test_the_rightful_owner_is_told_what_had_been_served_under_the_wrong_entry(floor: Floor) -> None:
    segments = segments_of(floor, "sme-a", (CURRENT, STATE))
    noted = Access(kind=AccessKind.MEASUREMENTS, segments=segments, rows=[4, 5])
    async with changing(floor.scopes["sme-a"], floor.engine) as bound:
        await ledger.note(bound, noted)
    right = booked("sme-b", MONDAY + HOUR, TUESDAY)
    await hand_overs.correct(
        floor.scopes["lab"], floor.engine, "mill-1", MONDAY, right, reason="it was the other company"
    )
    await sealing.seal(floor.engine)
    seen = {
        who: [leaf.said for leaf in await ledger.listed(floor.scopes[who], floor.engine, whose=Whose.OTHERS)]
        for who in floor.scopes
    }
    served = [one for one in seen["sme-b"] if one["kind"] == "served_before_correction"]
    assert [(one["of"], one["participant"], one["principal"]) for one in served] == [
        (str(noted.id), "sme-a", "somebody at sme-a")
    ]
    assert [(p["stream"], p["from"], p["until"], p["rows"]) for p in served[0]["segments"]] == [
        (CURRENT, str(Instant(MONDAY + HOUR)), str(TUESDAY), 4),
        (STATE, str(Instant(MONDAY + HOUR)), str(TUESDAY), 5),
    ]
    told = {who: [(one["yours"], one["from"]) for one in seen[who] if one["kind"] == "corrected"] for who in seen}
    assert sorted(told["sme-a"]) == [(False, str(MONDAY)), (False, str(Instant(MONDAY + HOUR)))]
    assert told["sme-b"] == [(True, str(Instant(MONDAY + HOUR)))]
    assert told["outsider"] == []
    assert all("sme-b" not in json.dumps(one) for one in seen["sme-a"])


async def test_a_single_stream_is_lent_alone(floor: Floor) -> None:
    lab, engine = floor.scopes["lab"], floor.engine
    later = booked("outsider", WEDNESDAY, WEDNESDAY + HOUR)
    await hand_overs.hand_over(lab, engine, "mill-1", later, streams=["state"])
    assert await owned(floor, "outsider", STATE) == [(WEDNESDAY, WEDNESDAY + HOUR)]
    with pytest.raises(NotFound):
        await owned(floor, "outsider", CURRENT)
    with pytest.raises(TenureConflict):
        await hand_overs.hand_over(lab, engine, "mill-1", later)
    await hand_overs.hand_over(lab, engine, "mill-1", later, streams=["spindle_current"])
    with pytest.raises(NotFound, match="noise"):
        await hand_overs.hand_over(lab, engine, "mill-1", later, streams=["noise"])


async def test_a_new_stream_is_whose_all_the_others_are_and_else_the_home_owner_s(floor: Floor) -> None:
    later = booked("outsider", WEDNESDAY, WEDNESDAY + HOUR)
    await hand_overs.hand_over(floor.scopes["lab"], floor.engine, "mill-1", later, streams=["state"])
    mill = LAB.assets["mill-1"]
    grown = mill.model_copy(update={"streams": {**mill.streams, "noise": DeclaredStream()}})
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        declare(connection, LAB.model_copy(update={"assets": {**LAB.assets, "mill-1": grown}}))
    administration.dispose()
    assert await owned(floor, "sme-a", "mill-1.noise") == [(MONDAY, TUESDAY)]
    assert await owned(floor, "lab", "mill-1.noise") == [(ALWAYS.start, MONDAY), (WEDNESDAY, ALWAYS.until)]
    with pytest.raises(NotFound):
        await owned(floor, "outsider", "mill-1.noise")


async def test_a_trial_takes_several_machines_or_none(floor: Floor) -> None:
    lab, engine = floor.scopes["lab"], floor.engine
    wanted = booked("sme-a", WEDNESDAY, WEDNESDAY + HOUR, "both")
    parts = [Part(asset="mill-1"), Part(asset="robot-1", streams=frozenset({"joint"}))]
    await hand_overs.hand_over(lab, engine, "robot-1", booked("outsider", WEDNESDAY + MINUTE, WEDNESDAY + 2 * MINUTE))
    with pytest.raises(TenureConflict):
        await trials.book(lab, engine, parts, wanted)
    assert await owned(floor, "sme-a", STATE) == [(MONDAY, TUESDAY)]
    await hand_overs.correct(lab, engine, "robot-1", Instant(WEDNESDAY + MINUTE), None, reason="a slip")
    await trials.book(lab, engine, parts, wanted)
    assert (WEDNESDAY, WEDNESDAY + HOUR) in await owned(floor, "sme-a", JOINT)
    await trials.extend(lab, engine, "both", Instant(WEDNESDAY + 2 * HOUR))
    for stream in (CURRENT, STATE, JOINT):
        assert (WEDNESDAY, WEDNESDAY + 2 * HOUR) in await owned(floor, "sme-a", stream)
    await trials.return_early(lab, engine, "both", Instant(WEDNESDAY + MINUTE))
    for stream in (CURRENT, STATE, JOINT):
        assert (WEDNESDAY, WEDNESDAY + MINUTE) in await owned(floor, "sme-a", stream)
    assert (WEDNESDAY + MINUTE, ALWAYS.until) in await owned(floor, "sme-b", JOINT)
    with pytest.raises(TenureConflict):
        await trials.return_early(lab, engine, "both", Instant(WEDNESDAY + HOUR))
    with pytest.raises(NotFound):
        await trials.return_early(lab, engine, "neither", Instant(WEDNESDAY + HOUR))


async def test_the_history_tells_each_participant_its_own_part(floor: Floor) -> None:
    right = booked("sme-b", MONDAY + HOUR, TUESDAY)
    await hand_overs.correct(floor.scopes["lab"], floor.engine, "mill-1", MONDAY, right, reason="a secret reason")
    told = {who: await tenure_events.events(floor.scopes[who], floor.engine, "mill-1") for who in floor.scopes}
    assert [event.kind for event in told["lab"]] == ["correct", "hand_over", "hand_over"]
    assert (told["lab"][0].principal, told["lab"][0].reason) == ("somebody at lab", "a secret reason")
    assert [event.kind for event in told["sme-a"]] == ["correct", "hand_over"]
    assert {entry.tenure.owner for event in told["sme-a"] for entry in (*event.removed, *event.added)} == {"sme-a"}
    assert {event.reason for event in told["sme-a"]} == {None}
    assert told["outsider"] == ()


@pytest.mark.parametrize(
    ("kind", "until", "owner"),
    [("extend", "2026-11-16T12:00Z", "sme-a"), ("return", "2026-11-18Z", "sme-a"), ("extend", "2026-11-17Z", "sme-b")],
)
def test_the_database_lets_a_kind_of_change_do_only_what_it_says(
    floor: Floor, kind: str, until: str, owner: str
) -> None:
    with psycopg.connect(floor.database.admin) as admin:
        adapt(admin)
        (id_,) = (
            admin.execute(
                "SELECT id FROM fieldlab.tenure WHERE stream_id = %s AND start = %s", [floor.streams[CURRENT], MONDAY]
            ).fetchone()
            or ()
        )
    new = {"stream": floor.streams[CURRENT], "owner": owner, "start": str(MONDAY), "until": until, "booked": True}
    with floor.bound("lab") as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(
            "SELECT visible.amend_tenures('mill-1', %s, %s, %s::jsonb, '')",
            [kind, [id_], json.dumps([{**new, "trial": f"trial-of-{owner}"}])],
        )
