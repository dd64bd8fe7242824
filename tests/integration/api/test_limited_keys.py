"""A key that is limited to streams: everything else is missing to it, in every answer, in the same words."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.ownership.scope import Credential
from tests.integration.api.lab import CURRENT, DATA, EIGHT, JOINT, NINE, SPEED, Floor, Row
from tests.integration.api.listening import arrive, served

STATE = "mill-1.state"
POWER = "robot-1.power"
READ = ["data:read", "data:live"]


async def limited(client: httpx.AsyncClient, *streams: str, **asked: object) -> dict[str, Any]:
    answer = await client.post("/v1/keys", json={"scopes": READ, "streams": [*streams], **asked})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
async def key(lab: Floor) -> dict[str, Any]:
    """A key of sme-a for the spindle's current alone."""
    return await limited(lab["sme-a"], CURRENT)


@pytest.fixture
async def mine(lab: Floor, key: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """The reader with that key."""
    async with lab.client(key["token"]) as client:
        yield client


def same(one: httpx.Response, other: httpx.Response, *names: str) -> bool:
    """Whether two answers differ in nothing but the names that they were asked with."""
    texts = [(answer.status_code, answer.text) for answer in (one, other)]
    for name in names:
        texts = [(status, text.replace(name, "…")) for status, text in texts]
    return texts[0] == texts[1]


async def test_the_limit_is_shown_and_the_answers_within_it_are_those_of_an_unlimited_key(
    lab: Floor, mine: httpx.AsyncClient, key: dict[str, Any]
) -> None:
    assert key["streams"] == [CURRENT]
    assert (await mine.get("/v1/me")).json()["streams"] == [CURRENT]
    assert (await lab["sme-a"].get("/v1/me")).json()["streams"] is None
    for path, question in (
        ("/v1/measurements", {"stream": CURRENT}),
        ("/v1/measurements", {"stream": CURRENT, "step": "1m", "aggregate": "mean"}),
        ("/v1/measurements", {"stream": CURRENT, "points": "10", "from": str(EIGHT), "until": str(NINE)}),
        ("/v1/latest", {"stream": CURRENT}),
        ("/v1/segments", {"stream": CURRENT}),
    ):
        answers = [(await client.get(path, params=question)).json() for client in (mine, lab["sme-a"])]
        for answer in answers:
            for varying in ("decided_at", "checkpoint"):
                answer.pop(varying, None)
        assert answers[0] == answers[1]
        assert answers[0]["segments"]


@pytest.mark.parametrize("path", ["/v1/measurements", "/v1/latest", "/v1/segments", "/v1/live", "/v1/gaps"])
async def test_another_stream_is_missing_in_the_words_for_one_that_does_not_exist(
    mine: httpx.AsyncClient, path: str
) -> None:
    told = {"X-Request-Id": "same"}
    hidden, absent = [
        await mine.get(path, params={"stream": stream}, headers=told) for stream in (STATE, "mill-1.noise")
    ]
    assert hidden.status_code == 404
    assert same(hidden, absent, STATE, "mill-1.noise")
    both = await mine.get(path, params={"stream": [CURRENT, STATE]}, headers=told)
    assert both.status_code == 404


async def test_lists_machines_trials_and_tenures_know_nothing_else(mine: httpx.AsyncClient) -> None:
    async def items(path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await mine.get(path)).json()["items"]
        return found

    assert [f"{one['asset']}.{one['name']}" for one in await items("/v1/streams")] == [CURRENT]
    assert [one["slug"] for one in await items("/v1/assets")] == ["mill-1"]
    assert {one["stream"] for one in await items("/v1/tenures")} == {"spindle_current"}
    events = await items("/v1/assets/mill-1/history")
    assert {one["stream"] for event in events for one in (*event["added"], *event["removed"])} == {"spindle_current"}
    (trial,) = await items("/v1/trials")
    assert trial["streams"] == [CURRENT]
    for question in ({"asset": "mill-1"}, {"trial": "tool-wear"}):
        answer = (await mine.get("/v1/measurements", params=question)).json()
        assert [stream["name"] for stream in answer["streams"]] == ["spindle_current"]
    for path in ("/v1/catalogue", "/v1/ingest/accounts", "/v1/rejects"):
        shown = await mine.get(path)
        assert shown.status_code == 200, path
        assert "state" not in {one.get("name", one.get("stream")) for one in shown.json().get("items", [])}
    assert (await mine.get(f"/v1/streams/{SPEED}")).status_code == 404


async def test_a_machine_of_one_s_own_is_missing_but_for_the_limit(quiet_lab: Floor) -> None:
    quiet_lab.store(JOINT, [Row(time=EIGHT, value=1.0)])
    quiet_lab.store(POWER, [Row(time=EIGHT, value=2.0)])
    issued = await limited(quiet_lab["researcher"], POWER)
    async with quiet_lab.client(issued["token"]) as reader:
        assert [one["name"] for one in (await reader.get("/v1/streams")).json()["items"]] == ["power"]
        assert (await reader.get("/v1/measurements", params={"stream": JOINT})).status_code == 404
        rows = (await reader.get("/v1/measurements", params={"asset": "robot-1"})).json()["rows"]
        assert [row[2] for row in rows] == [2.0]
    other = await limited(quiet_lab["lab"], CURRENT)
    async with quiet_lab.client(other["token"]) as reader:
        told = {"X-Request-Id": "same"}
        hidden, absent = [
            await reader.get("/v1/measurements", params={"asset": asset}, headers=told)
            for asset in ("robot-1", "robot-9")
        ]
        assert hidden.status_code == 404
        assert same(hidden, absent, "robot-1", "robot-9")


async def test_agreements_about_other_streams_are_missing_and_what_they_open_too(lab: Floor) -> None:
    ids = {}
    for stream in (CURRENT, STATE):
        terms = {"grantee": "researcher", "enforced": {"streams": [stream]}, "declared": {}}
        offered = await lab["sme-a"].post("/v1/agreements", json=terms)
        assert offered.status_code == 201, offered.text
        ids[stream] = offered.json()["id"]
        approved = await lab["researcher"].post(f"/v1/agreements/{ids[stream]}/approve")
        assert approved.status_code == 200, approved.text
    for who in ("sme-a", "researcher"):
        issued = await limited(lab[who], CURRENT)
        async with lab.client(issued["token"]) as reader:
            assert [one["id"] for one in (await reader.get("/v1/agreements")).json()["items"]] == [ids[CURRENT]]
            for part in ("", "/events", "/receipt", "/odrl"):
                assert (await reader.get(f"/v1/agreements/{ids[STATE]}{part}")).status_code == 404
            assert (await reader.get("/v1/measurements", params={"stream": CURRENT})).json()["rows"]
            assert (await reader.get("/v1/measurements", params={"stream": STATE})).status_code == 404


async def test_of_an_agreement_about_other_streams_too_it_is_told_of_its_own_alone(lab: Floor) -> None:
    """In every form of the agreement, to both parties; a receipt counts what left of its streams alone."""
    terms = {"grantee": "researcher", "enforced": {"streams": [CURRENT, STATE]}, "declared": {"licence": "CC-BY-4.0"}}
    offered = (await lab["sme-a"].post("/v1/agreements", json=terms)).json()
    where = f"/v1/agreements/{offered['id']}"
    assert (await lab["researcher"].post(f"{where}/approve")).status_code == 200
    given = (await lab["researcher"].get("/v1/measurements", params={"stream": CURRENT, "basis": offered["id"]})).json()
    assert given["rows"]
    both = await lab["researcher"].get("/v1/measurements", params={"stream": [CURRENT, STATE], "basis": offered["id"]})
    assert len(both.json()["rows"]) > len(given["rows"])
    whole = (await lab["sme-a"].get(where)).json()
    assert whole["enforced"]["streams"] == [CURRENT, STATE]
    assert sha256(whole["text"].encode()).hexdigest() == whole["hash"]
    for who in ("sme-a", "researcher"):
        issued = await limited(lab[who], CURRENT)
        async with lab.client(issued["token"]) as reader:
            told = (await reader.get(where)).json()
            assert told == {**whole, "text": None, "enforced": {**whole["enforced"], "streams": [CURRENT]}}
            assert (await reader.get("/v1/agreements")).json()["items"] == [told]
            for path in (where, f"{where}/odrl", f"{where}/events", f"{where}/receipt"):
                assert STATE not in (await reader.get(path)).text, path
            (segment,) = (await reader.get("/v1/segments", params={"stream": CURRENT})).json()["segments"][:1]
            if who == "researcher":
                assert (segment["basis"]["hash"], segment["licence"]) == (whole["hash"], "CC-BY-4.0")
            if who == "sme-a":
                receipt = (await reader.get(f"{where}/receipt")).json()
                assert receipt["rows"] == 2 * len(given["rows"])
    other = await limited(lab["sme-a"], STATE)
    async with lab.client(other["token"]) as reader:
        receipt = (await reader.get(f"{where}/receipt")).json()
        assert receipt["answers"] == 1
        assert receipt["rows"] == len(both.json()["rows"]) - len(given["rows"])


async def test_of_exports_and_the_ledger_it_sees_what_it_asked_for_itself(lab: Floor, mine: httpx.AsyncClient) -> None:
    everything = await lab["sme-a"].post("/v1/exports", json={"everything": True})
    assert everything.status_code == 202, everything.text
    id_ = everything.json()["id"]
    assert (await mine.get("/v1/exports")).json()["items"] == []
    for path in (f"/v1/exports/{id_}", f"/v1/exports/{id_}/package"):
        assert (await mine.get(path)).status_code == 404
    assert (await mine.delete(f"/v1/exports/{id_}")).status_code == 404
    own = await mine.post("/v1/exports", json={"everything": True})
    assert own.status_code == 202, own.text
    assert [one["id"] for one in (await mine.get("/v1/exports")).json()["items"]] == [own.json()["id"]]
    shown = await ready(mine, own.json()["id"])
    assert shown["state"] == "ready", shown
    package = await mine.get(f"/v1/exports/{shown['id']}/package")
    assert package.status_code == 200
    assert b"state" not in {part.split(b"/")[-1].removesuffix(b".parquet") for part in package.content.split(b"PK")}
    await lab["sme-a"].get("/v1/measurements", params={"stream": STATE})
    await mine.get("/v1/measurements", params={"stream": CURRENT})
    read = [one["entry"] for one in (await mine.get("/v1/accesses")).json()["items"]]
    assert {entry["credential"] for entry in read} == {(await mine.get("/v1/me")).json()["key"]}


async def ready(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            shown: dict[str, Any] = (await client.get(f"/v1/exports/{id_}")).json()
            if shown["state"] not in {"queued", "running"}:
                return shown
            await asyncio.sleep(0.05)


async def test_it_makes_and_sees_keys_within_its_limit_alone(
    lab: Floor, mine: httpx.AsyncClient, key: dict[str, Any]
) -> None:
    assert [one["id"] for one in (await mine.get("/v1/keys")).json()["items"]] == [key["id"]]
    inherited = await mine.post("/v1/keys", json={"scopes": ["data:read"]})
    assert inherited.status_code == 201, inherited.text
    assert inherited.json()["streams"] == [CURRENT]
    for stream in (STATE, "mill-1.noise"):
        beyond = await mine.post("/v1/keys", json={"scopes": ["data:read"], "streams": [CURRENT, stream]})
        assert beyond.status_code == 404, beyond.text
    other = await limited(lab["sme-a"], STATE)
    assert (await mine.delete(f"/v1/keys/{other['id']}")).status_code == 404
    async with lab.client(other["token"]) as still:
        assert (await still.get("/v1/me")).status_code == 200


async def test_a_limited_key_reads_and_does_nothing_else(lab: Floor) -> None:
    for streams, scopes, status in (
        ([CURRENT], ["data:read", "agreements:write"], 422),
        ([], ["data:read"], 422),
        ([JOINT], ["data:read"], 404),
        (["robot-9.none"], ["data:read"], 404),
    ):
        refused = await lab["sme-a"].post("/v1/keys", json={"scopes": scopes, "streams": streams})
        assert refused.status_code == status, refused.text


async def test_a_live_answer_has_what_the_key_is_limited_to_beside_an_unlimited_one(quiet_lab: Floor) -> None:
    """Both follow at once, for one participant: rights are those of each key and not of the first."""
    issued = await limited(quiet_lab["lab"], CURRENT)
    digests = [Credential.of(token).digest for token in (quiet_lab.tokens["lab"], issued["token"])]
    with psycopg.connect(quiet_lab.database.api) as api, psycopg.connect(quiet_lab.database.admin) as admin:
        keys = admin.execute("SELECT name, id FROM fieldlab.stream WHERE name IN ('spindle_current', 'state')")
        streams: dict[str, int] = dict(keys.fetchall())
        both = sorted(streams.values())
        listeners = api.execute("SELECT place, listener FROM visible.listeners(%s)", [digests]).fetchall()
        rights = api.execute(
            "SELECT listener, stream FROM visible.live_rights(%s, %s, %s, '-infinity')",
            [digests, [1, 1, 2, 2], [*both, *both]],
        ).fetchall()
    assert sorted(listeners) == [(1, 1), (2, 2)]
    assert sorted(rights) == sorted([*((1, one) for one in both), (2, streams["spindle_current"])])
    async with served(quiet_lab) as answering, answering.listen(issued["token"], CURRENT) as listener:
        await arrive(quiet_lab, CURRENT, [Row(time=EIGHT, value=7.0)])
        assert [row[2] for row in await listener.rows(1)] == [7.0]


async def test_the_same_idempotency_key_of_another_key_gives_nothing_away(lab: Floor, mine: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": "one"}
    first = await lab["sme-a"].post("/v1/exports", json={"everything": True}, headers=once)
    assert first.status_code == 202
    again = await mine.post("/v1/exports", json={"everything": True}, headers=once)
    assert again.status_code == 422
    assert first.json()["id"] not in again.text


async def test_the_operator_limits_a_key_that_it_issues(lab: Floor) -> None:
    for permissions in (DATA, frozenset({Permission.DATA_READ, Permission.LAB_ADMIN})):
        with (
            pytest.raises(psycopg.errors.CheckViolation),
            psycopg.connect(lab.database.admin) as admin,
        ):
            admin.execute(
                "INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, streams)"
                " SELECT id, 'x', 'x', %s, 'infinity', '{1}' FROM fieldlab.participant WHERE slug = 'lab'",
                [sorted(permissions)],
            )
