"""Following data: everything that arrives, once, to whom it belongs, until the right to it ends."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, SPEED, STATE, TEN, Floor, Row, hand_over
from tests.integration.api.listening import Served, Wire, arrive, served, stream_key

DAY = Instant.parse("2026-11-22T00:00:00Z")


@pytest.fixture(params=list(Wire), ids=str)
async def open_lab(lab: Floor, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """The lab of that morning, over HTTP; followed over each wire."""
    async with served(lab, request.param) as answering:
        yield answering


def at(seconds: float, value: float = 1.0, *, since: Instant = DAY, origin: int = 0) -> Row:
    return Row(time=Instant(since + int(seconds * SECOND)), value=value, origin=origin)


async def test_samples_come_as_they_are_stored_each_with_its_owner(open_lab: Served) -> None:
    lab = open_lab.lab
    async with open_lab.listen(lab.tokens["lab"], CURRENT, STATE) as listener:
        head = listener.events[0]["data"]
        assert head["columns"] == ["time", "stream", "value", "status", "segment", "late"]
        assert [(stream["asset"], stream["name"], stream["unit"]) for stream in head["streams"]] == [
            ("mill-1", "spindle_current", "A"),
            ("mill-1", "state", "1"),
        ]
        assert {(one["owner"], one["from"], one["until"]) for one in head["segments"]} == {
            ("lab", str(TEN), "infinity")
        }
        await arrive(lab, CURRENT, [at(1, 1.5), at(2, 2.5, origin=3)])
        rows = await listener.rows(2)
        await arrive(lab, STATE, [Row(time=at(3).time, text="IDLE")])
        rows += await listener.rows(1)
    ids = [stream["id"] for stream in head["streams"]]
    assert [(row[0], row[1], row[2], row[3], row[5]) for row in rows] == [
        (str(at(1).time), ids[0], 1.5, 0, False),
        (str(at(2).time), ids[0], 2.5, 0, False),
        (str(at(3).time), ids[1], "IDLE", 0, False),
    ]
    assert {listener.owner(row[4]) for row in rows} == {"lab"}
    origins = [event["data"]["origins"] for event in listener.events if event["event"] == "segment"]
    assert ["live", "simulated"] in origins


async def test_whoever_comes_back_gets_all_that_came_since_and_nothing_twice(open_lab: Served) -> None:
    lab, token = open_lab.lab, open_lab.lab.tokens["lab"]
    given: list[float] = []
    async with open_lab.listen(token, CURRENT) as listener:
        await arrive(lab, CURRENT, [at(1, 1.0), at(2, 2.0)])
        given += [row[2] for row in await listener.rows(2)]
        position = listener.position
    await arrive(lab, CURRENT, [at(3, 3.0)])
    await arrive(lab, CURRENT, [at(4, 4.0)])
    async with open_lab.listen(token, CURRENT, position=position) as listener:
        given += [row[2] for row in await listener.rows(2)]
        await arrive(lab, CURRENT, [at(5, 5.0)])
        given += [row[2] for row in await listener.rows(1)]
    assert given == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_a_batch_that_began_first_and_ends_last_is_neither_missed_nor_repeated(open_lab: Served) -> None:
    lab, token = open_lab.lab, open_lab.lab.tokens["lab"]
    key = stream_key(lab, CURRENT)
    await arrive(lab, CURRENT, [at(0)])  # a new chunk would hold the second batch up until the first has ended
    with psycopg.connect(lab.database.admin) as slow:
        slow.execute(
            "INSERT INTO fieldlab.measurement (stream_id, time, value) VALUES (%s, %s, 1.0)", [key, str(at(1).time)]
        )
        slow.execute(
            "SELECT fieldlab.note_arrival(%s, %s::timestamptz[], %s::timestamptz[])", [[key], *[[str(at(1).time)]] * 2]
        )
        async with open_lab.listen(token, CURRENT) as listener:
            await arrive(lab, CURRENT, [at(2, 2.0)])
            assert [row[2] for row in await listener.rows(1)] == [2.0]
            position = listener.position
        slow.commit()
    async with open_lab.listen(token, CURRENT, position=position) as listener:
        (row,) = await listener.rows(1)
        assert (row[2], row[5]) == (1.0, True)
        await arrive(lab, CURRENT, [at(3, 3.0)])
        assert [row[2] for row in await listener.rows(1)] == [3.0]


async def test_what_lies_among_older_samples_comes_alone_and_is_marked_late(open_lab: Served) -> None:
    lab = open_lab.lab
    await arrive(lab, CURRENT, [at(second, 0.0) for second in range(0, 60, 2)])
    async with open_lab.listen(lab.tokens["lab"], CURRENT) as listener:
        await arrive(lab, CURRENT, [at(31, 31.0), at(33, 33.0), at(61, 61.0)])
        rows = await listener.rows(3)
    assert [(row[2], row[5]) for row in rows] == [(31.0, True), (33.0, True), (61.0, False)]


async def test_each_side_of_a_hand_over_gets_its_own_alone(open_lab: Served) -> None:
    lab = open_lab.lab
    async with (
        open_lab.listen(lab.tokens["sme-a"], CURRENT) as a,
        open_lab.listen(lab.tokens["sme-b"], CURRENT) as b,
        open_lab.listen(lab.tokens["lab"], CURRENT) as home,
    ):
        times = [EIGHT - 1, EIGHT + 1, NINE - 3, NINE + 3, TEN - 3, TEN + 3]
        await arrive(lab, CURRENT, [Row(time=Instant(time), value=float(n)) for n, time in enumerate(times)])
        for listener, owner, values in ((a, "sme-a", [1.0, 2.0]), (b, "sme-b", [3.0, 4.0]), (home, "lab", [0.0, 5.0])):
            rows = await listener.rows(2)
            assert [row[2] for row in rows] == values
            assert {listener.owner(row[4]) for row in rows} == {owner}


async def test_data_after_a_hand_over_that_comes_in_between_goes_to_the_new_tenant_only(open_lab: Served) -> None:
    lab = open_lab.lab
    now = Instant.now()
    bound = Instant(now - now % MINUTE)
    async with (
        open_lab.listen(lab.tokens["lab"], CURRENT) as home,
        open_lab.listen(lab.tokens["sme-a"], CURRENT) as tenant,
    ):
        await arrive(lab, CURRENT, [at(-2, 1.0, since=bound)])
        assert [row[2] for row in await home.rows(1)] == [1.0]
        await hand_over(lab, "mill-1", "sme-a", bound, Instant(bound + 60 * MINUTE))
        told = await home.until("segment")
        assert told["data"]["until"] == str(bound)
        await arrive(lab, CURRENT, [at(-1, 2.0, since=bound), at(0, 3.0, since=bound), at(1, 4.0, since=bound)])
        assert [row[2] for row in await tenant.rows(2)] == [3.0, 4.0]
        assert {tenant.owner(row[4]) for row in tenant.events[-1]["data"]["rows"]} == {"sme-a"}
        assert [row[2] for row in await home.rows(1)] == [2.0]


async def agree(lab: Floor, purposes: tuple[str, ...] = (), **enforced: object) -> str:
    """Sme-a lets the researcher follow the current."""
    body = {
        "grantee": "researcher",
        "enforced": {"streams": [CURRENT], "live": True, **enforced},
        "declared": {"purposes": purposes},
    }
    async with lab.client(lab.tokens["sme-a"]) as owner, lab.client(lab.tokens["researcher"]) as grantee:
        made = await owner.post("/v1/agreements", json=body)
        assert made.status_code == 201, made.text
        id_ = str(made.json()["id"])
        assert (await grantee.post(f"/v1/agreements/{id_}/approve")).status_code == 200
    return id_


@pytest.mark.parametrize("notifier", [True, False], ids=["notifier up", "notifier down"])
@pytest.mark.parametrize(("step", "reason"), [("terminate", "terminated"), ("suspend", "suspended")])
async def test_an_answer_ends_with_its_agreement_and_says_so(
    open_lab: Served, step: str, reason: str, *, notifier: bool
) -> None:
    lab = open_lab.lab
    lab.app.state.desk.ear.deaf = not notifier
    id_ = await agree(lab)
    async with open_lab.listen(lab.tokens["researcher"], CURRENT) as listener:
        await arrive(lab, CURRENT, [at(1, 7.0, since=EIGHT)])
        (row,) = await listener.rows(1)
        assert listener.owner(row[4]) == "sme-a"
        async with lab.client(lab.tokens["sme-a"]) as owner:
            assert (await owner.post(f"/v1/agreements/{id_}/{step}")).status_code == 200
        await arrive(lab, CURRENT, [at(3, 8.0, since=EIGHT)])
        end = await listener.until("end")
        assert end["data"]["reason"] == f"agreement.{reason}"
        with pytest.raises(EOFError):
            await listener.next()
    assert [row[2] for event in listener.events if event["event"] == "samples" for row in event["data"]["rows"]] == [
        7.0
    ]


async def test_an_announcement_alone_ends_an_answer_whose_ground_is_gone(open_lab: Served) -> None:
    lab, hub = open_lab.lab, open_lab.lab.app.state.desk.hub
    id_ = await agree(lab)
    async with open_lab.listen(lab.tokens["researcher"], CURRENT) as listener:
        hub._poll = 3600.0
        await arrive(lab, CURRENT, [at(1, 7.0, since=EIGHT)])
        await listener.rows(1)
        async with lab.client(lab.tokens["sme-a"]) as owner:
            assert (await owner.post(f"/v1/agreements/{id_}/terminate")).status_code == 200
        assert (await listener.until("end"))["data"]["reason"] == "agreement.terminated"


@pytest.mark.parametrize("notifier", [True, False], ids=["notifier up", "notifier down"])
async def test_an_answer_ends_with_its_key(open_lab: Served, *, notifier: bool) -> None:
    lab = open_lab.lab
    lab.app.state.desk.ear.deaf = not notifier
    async with lab.client(lab.tokens["lab"]) as client:
        key = (await client.get("/v1/me")).json()["key"]
    async with open_lab.listen(lab.tokens["lab"], CURRENT) as listener:
        lab.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE id = %s", [key])
        end = await listener.until("end")
    assert end["data"]["reason"] == "credential.void"


async def test_an_answer_ends_with_the_service_and_says_where_to_go_on(open_lab: Served) -> None:
    lab = open_lab.lab
    async with open_lab.listen(lab.tokens["lab"], CURRENT) as listener:
        await arrive(lab, CURRENT, [at(1)])
        await listener.rows(1)
        lab.app.state.desk.hub.stop()
        assert (await listener.until("end"))["data"]["reason"] == "service.stopping"
    async with lab.client(lab.tokens["lab"]) as client:
        answer = await client.get("/v1/live", params={"stream": CURRENT})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_an_embargo_holds_what_arrives_back(open_lab: Served) -> None:
    lab = open_lab.lab
    await agree(lab, embargo="1h")
    now = Instant.now()
    bound = Instant(now - now % MINUTE - 120 * MINUTE)
    await hand_over(lab, "mill-1", "sme-a", bound, Instant(bound + 240 * MINUTE))
    async with open_lab.listen(lab.tokens["researcher"], CURRENT) as listener:
        await arrive(lab, CURRENT, [at(0, 1.0, since=now)])
        await arrive(lab, CURRENT, [at(1, 2.0, since=bound)])
        assert [row[2] for row in await listener.rows(1)] == [2.0]


async def test_what_may_not_be_followed_is_refused_before_it_begins(open_lab: Served) -> None:
    lab = open_lab.lab

    async def asked(token: str, stream: str, **headers: str) -> httpx.Response:
        async with lab.client(token) as client:
            return await client.get("/v1/live", params={"stream": stream}, headers=headers)

    assert (await asked(lab.issue("sme-a", frozenset({Permission.DATA_READ})), CURRENT)).status_code == 403
    hidden, missing = await asked(lab.tokens["sme-a"], JOINT), await asked(lab.tokens["sme-a"], "robot-1.joint_9")
    assert hidden.status_code == missing.status_code == 404
    await agree(lab, streams=[SPEED], live=False)
    refused = await asked(lab.tokens["researcher"], SPEED)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/outside-agreement")
    assert "live" in refused.json()["detail"]
    await agree(lab, streams=[STATE], resolution_floor="60s")
    assert (await asked(lab.tokens["researcher"], STATE)).status_code == 403


async def test_a_position_is_good_for_its_participant_and_question_alone(open_lab: Served) -> None:
    lab = open_lab.lab
    async with open_lab.listen(lab.tokens["lab"], CURRENT) as listener:
        position = listener.position
    tried = [(lab.tokens["sme-a"], CURRENT, position), (lab.tokens["lab"], STATE, position)]
    tried += [(lab.tokens["lab"], CURRENT, bad) for bad in ("1", position[:-2] + "xx", position.swapcase())]
    for token, stream, id_ in tried:
        async with lab.client(token) as client:
            answer = await client.get("/v1/live", params={"stream": stream}, headers={"Last-Event-ID": id_})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")


async def test_whoever_comes_back_too_late_is_told_where_to_fetch_what_came(open_lab: Served) -> None:
    lab, token = open_lab.lab, open_lab.lab.tokens["lab"]
    async with open_lab.listen(token, CURRENT) as listener:
        position = listener.position
    lab.execute("UPDATE fieldlab.secret SET value = sha256(value) WHERE name = 'moment'")
    async with open_lab.listen(token, CURRENT, position=position) as listener:
        missed = await listener.until("missed")
        assert missed["data"]["samples"] is None
        async with lab.client(token) as client:
            assert (await client.get(missed["data"]["fetch"])).status_code == 200
        await arrive(lab, CURRENT, [at(5, 5.0)])
        assert [row[2] for row in await listener.rows(1)] == [5.0]


async def test_head_tells_that_it_would_answer_and_ends(open_lab: Served) -> None:
    headers = {"Authorization": f"Bearer {open_lab.lab.tokens['lab']}"}
    answer = await open_lab.client.head("/v1/live", params={"stream": CURRENT}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert open_lab.lab.app.state.desk.hub._readers == 0


async def test_many_listen_at_once_and_each_gets_everything(open_lab: Served) -> None:
    lab = open_lab.lab
    tokens = [lab.tokens["lab"], lab.issue("lab")]
    looks = 0
    turn = lab.app.state.desk.hub._look

    async def counted() -> bool:
        nonlocal looks
        looks += 1
        return bool(await turn())

    lab.app.state.desk.hub._look = counted
    together = asyncio.Event()
    ready = asyncio.Semaphore(0)

    async def listen(number: int) -> list[float]:
        async with open_lab.listen(tokens[number % 2], CURRENT) as listener:
            ready.release()
            await together.wait()
            return [row[2] for row in await listener.rows(30)]

    listening = [asyncio.create_task(listen(number)) for number in range(40)]
    for _ in listening:
        await ready.acquire()
    before = looks
    together.set()
    for second in range(3):
        await arrive(lab, CURRENT, [at(second + part / 10, second + part / 10) for part in range(10)])
    for values in await asyncio.gather(*listening):
        assert values == [second + part / 10 for second in range(3) for part in range(10)]
    assert looks - before < 3 * 40


async def test_the_ledger_says_what_left_before_it_left_and_how_it_ended(open_lab: Served) -> None:
    lab = open_lab.lab
    async with open_lab.listen(lab.tokens["lab"], CURRENT) as listener:
        await arrive(lab, CURRENT, [at(1), at(2), at(1, since=Instant(EIGHT - 60 * SECOND))])
        await listener.rows(3)
    with psycopg.connect(lab.database.admin) as admin:
        found: list[tuple[object, ...]] = []
        async with asyncio.timeout(60):
            while len(found) < 2:
                await asyncio.sleep(0.1)
                found = admin.execute(
                    "SELECT a.kind, p.slug, a.owners = ARRAY[p.id], e.outcome, e.rows FROM fieldlab.access AS a"
                    " JOIN fieldlab.access_end AS e ON e.access_id = a.id"
                    " JOIN fieldlab.participant AS p ON p.id = a.participant_id ORDER BY a.at"
                ).fetchall()
    assert found == [("live", "lab", True, "broken", [2]), ("live", "lab", True, "broken", [1])]
