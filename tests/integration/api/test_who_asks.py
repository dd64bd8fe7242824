"""No valid key, no answer; a key answers for its participant and its scopes alone."""

import httpx
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import SECOND, Instant
from tests.integration.api.lab import ADMIN, CURRENT, JOINT, NINE, SPEED, STATE, TEN, Floor, Row

MEASURED = ("/v1/measurements", "/v1/segments", "/v1/latest")


async def test_me_tells_whom_the_key_speaks_for_and_until_when(quiet_lab: Floor) -> None:
    body = (await quiet_lab["lab"].get("/v1/me")).json()
    assert body["participant"] == "lab"
    assert body["principal"].endswith("@lab")
    assert body["scopes"] == ["agreements:write", "data:erase", "data:live", "data:read", "lab:admin"]
    assert body["expires_at"] == "2050-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "authorization",
    ["Bearer flk_wrong", "Bearer ", "Bearer", "Basic bGFiOmxhYg==", "flk_wrong", "Bearer " + "x" * 20_000, "Bearer é"],
)
async def test_a_wrong_token_is_a_401_that_says_how_to_ask(quiet_lab: Floor, authorization: str) -> None:
    async with quiet_lab.client(None) as stranger:
        answer = await stranger.get("/v1/me", headers={b"Authorization": authorization.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fieldlab", error="invalid_token"'
    assert answer.json()["type"] == "/problems/unauthenticated"
    assert authorization.removeprefix("Bearer ").strip()[:60] not in answer.text or len(authorization) < 8


async def test_an_expired_key_is_a_401(quiet_lab: Floor) -> None:
    expired = quiet_lab.issue("sme-a", until=Instant(Instant.now() - SECOND))
    async with quiet_lab.client(expired) as late:
        assert (await late.get("/v1/me")).status_code == 401


async def test_a_revoked_key_is_a_401_from_the_next_request_on(quiet_lab: Floor) -> None:
    client = quiet_lab["sme-a"]
    key = (await client.get("/v1/me")).json()["key"]
    quiet_lab.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE id = %s", [key])
    assert (await client.get("/v1/me")).status_code == 401
    assert (await client.get("/v1/streams")).status_code == 401


@pytest.mark.parametrize("path", MEASURED)
async def test_data_needs_the_scope_for_it(lab: Floor, path: str) -> None:
    async with lab.client(lab.issue("sme-a", frozenset({Permission.DATA_LIVE}))) as client:
        answer = await client.get(path, params={"stream": CURRENT})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/forbidden"
    assert "data:read" in answer.json()["detail"]
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_hand_overs_need_the_scope_for_them(lab: Floor) -> None:
    body = {"to": "sme-a", "from": str(TEN), "until": str(TEN + 600 * SECOND)}
    for path, sent in (("hand-overs", {**body, "until": None}), ("returns", {"at": str(NINE)})):
        answer = await lab["sme-a"].post(f"/v1/assets/mill-1/{path}", json=sent)
        assert answer.status_code == 403
        assert "tenures:write" in answer.json()["detail"]


async def test_administering_the_lab_opens_nobody_s_data(lab: Floor) -> None:
    async with lab.client(lab.issue("researcher", ADMIN)) as client:
        streams = (await client.get("/v1/streams", params={"asset": "mill-1"})).json()["items"]
        assert [stream["last"] for stream in streams] == [None, None, None]
        body = (await client.get("/v1/measurements", params={"stream": CURRENT})).json()
        assert (body["segments"], body["rows"]) == ([], [])


def without_id(answer: httpx.Response) -> str:
    return answer.text.replace(answer.headers["x-request-id"], "")


@pytest.mark.parametrize("path", MEASURED)
async def test_a_hidden_stream_answers_byte_for_byte_as_one_that_is_not_there(lab: Floor, path: str) -> None:
    owned = await lab["researcher"].get(f"/v1/streams/{JOINT}")
    unknown = "0b0e4a4e-5d53-4d0f-9d53-3b7a4f6f3c11"
    for there, not_there in ((JOINT, "robot-1.joint_9"), (owned.json()["id"], unknown)):
        hidden = await lab["sme-a"].get(path, params={"stream": there})
        missing = await lab["sme-a"].get(path, params={"stream": not_there})
        assert hidden.status_code == missing.status_code == 404
        assert without_id(hidden).replace(there, "") == without_id(missing).replace(not_there, "")


async def test_one_hidden_stream_among_others_fails_the_whole_request(lab: Floor) -> None:
    answer = await lab["sme-a"].get("/v1/measurements", params={"stream": [CURRENT, JOINT]})
    assert answer.status_code == 404
    assert "rows" not in answer.text


@pytest.mark.parametrize(
    ("kind", "there", "not_there"),
    [("assets", "robot-1", "robot-2"), ("streams", "robot-1.joint_1", "robot-1.joint_9")],
)
async def test_what_is_hidden_cannot_be_enumerated(lab: Floor, kind: str, there: str, not_there: str) -> None:
    hidden = await lab["sme-a"].get(f"/v1/{kind}/{there}")
    missing = await lab["sme-a"].get(f"/v1/{kind}/{not_there}")
    assert hidden.status_code == missing.status_code == 404
    assert without_id(hidden).replace(there, "") == without_id(missing).replace(not_there, "")
    assert (await lab["researcher"].get(f"/v1/{kind}/{there}")).status_code == 200


@pytest.mark.parametrize("path", MEASURED)
async def test_a_hidden_asset_answers_as_one_that_is_not_there(lab: Floor, path: str) -> None:
    hidden = await lab["sme-a"].get(path, params={"asset": "robot-1"})
    missing = await lab["sme-a"].get(path, params={"asset": "robot-9"})
    assert hidden.status_code == missing.status_code == 404
    assert without_id(hidden).replace("robot-1", "") == without_id(missing).replace("robot-9", "")


async def test_a_rate_is_of_what_the_reader_may_see_alone(lab: Floor) -> None:
    before = range(NINE - 40 * SECOND, NINE, SECOND // 2)
    after = range(NINE, NINE + 40 * SECOND, SECOND // 10)
    lab.store(SPEED, (Row(time=Instant(time), value=1.0) for time in (*before, *after)))
    lab.store(STATE, [Row(time=Instant(NINE + SECOND), text="STOPPED")])
    found = {
        who: {one["reference"]: one["rate"] for one in (await lab[who].get("/v1/streams")).json()["items"]}
        for who in ("sme-a", "sme-b", "lab", "researcher")
    }
    assert (found["sme-a"][SPEED], found["sme-b"][SPEED]) == pytest.approx((2.0, 10.0))
    assert found["sme-a"][STATE] == pytest.approx(0.1)
    assert found["lab"][SPEED] is None
    assert found["researcher"][JOINT] is None
    entry = (await lab["sme-a"].get("/v1/catalogue", params={"q": SPEED})).json()["items"][0]
    assert entry["rate"] == pytest.approx(2.0)


async def test_lists_filters_and_extents_know_nothing_of_others(lab: Floor) -> None:
    streams = (await lab["sme-a"].get("/v1/streams")).json()
    assert {stream["asset"] for stream in streams["items"]} == {"mill-1"}
    assert streams["next"] is None
    assert (await lab["sme-a"].get("/v1/streams", params={"q": "joint"})).json()["items"] == []
    assert (await lab["sme-a"].get("/v1/streams", params={"unit": "W"})).json()["items"] == []
    current = next(stream for stream in streams["items"] if stream["reference"] == CURRENT)
    assert (current["first"], current["last"]) == ("2026-11-21T08:00:00.000000Z", str(Instant(NINE - 1)))
    tenures = (await lab["sme-a"].get("/v1/tenures")).json()["items"]
    assert {tenure["owner"] for tenure in tenures} == {"sme-a"}
