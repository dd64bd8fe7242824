"""Machines entered and described anew over the network, for whoever administers the lab; never with another owner."""

import asyncio
from typing import Any

import psycopg
import pytest

from tests.integration.api.lab import CURRENT, EIGHT, NINE, Floor, hand_over
from tests.integration.api.test_agreements import agree

PRESS = {
    "slug": "press-1",
    "name": "Forging press",
    "home_owner": "sme-a",
    "place": "hall 2",
    "description": "2.5 MN",
    "streams": {
        "force": {"unit": "kN", "quantity": "force", "limits": {"high": 2500}},
        "closed": {"kind": "boolean"},
    },
}


async def test_a_machine_is_entered_with_its_streams_and_is_its_home_owner_s(quiet_lab: Floor) -> None:
    made = await quiet_lab["lab"].post("/v1/assets", json=PRESS)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/assets/press-1"), made.text
    shown = {name: value for name, value in PRESS.items() if name != "streams"} | {"nature": "real"}
    assert made.json() == (await quiet_lab["sme-a"].get("/v1/assets/press-1")).json() == shown
    streams = (await quiet_lab["sme-a"].get("/v1/streams", params={"asset": "press-1"})).json()["items"]
    assert [(one["name"], one["kind"], one["unit"], one["quantity"]) for one in streams] == [
        ("closed", "boolean", "1", ""),
        ("force", "number", "kN", "force"),
    ]
    tenures = (await quiet_lab["sme-a"].get("/v1/tenures", params={"asset": "press-1"})).json()["items"]
    assert {(one["owner"], one["from"], one["until"]) for one in tenures} == {("sme-a", "-infinity", "infinity")}
    with psycopg.connect(quiet_lab.database.admin) as admin:
        found = admin.execute("SELECT low, high FROM fieldlab.stream WHERE name = 'force'").fetchall()
    assert found == [(None, 2500.0)]


async def test_to_others_a_new_machine_is_not_there(quiet_lab: Floor) -> None:
    missing = await quiet_lab["sme-b"].get("/v1/assets/press-1")
    assert (await quiet_lab["lab"].post("/v1/assets", json=PRESS)).status_code == 201
    hidden = await quiet_lab["sme-b"].get("/v1/assets/press-1")
    assert hidden.status_code == missing.status_code == 404
    assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    assert (await quiet_lab["sme-b"].get("/v1/assets")).json()["items"] == []


async def test_an_asset_type_brings_its_streams_and_one_s_own_stand_over_them(quiet_lab: Floor) -> None:
    mill = {"slug": "mill-2", "name": "Mill 2", "home_owner": "lab", "type": "mill", "leave_out": ["program"]}
    own = {"spindle_current": {"description": "Of the new drive"}, "extra": {"unit": "Cel"}}
    answer = await quiet_lab["lab"].post("/v1/assets", json={**mill, "nature": "simulated", "streams": own})
    assert answer.status_code == 201, answer.text
    found = (await quiet_lab["lab"].get("/v1/streams", params={"asset": "mill-2"})).json()["items"]
    streams = {one["name"]: one for one in found}
    assert {"spindle_current", "spindle_speed", "extra"} <= set(streams)
    assert "program" not in streams
    current = streams["spindle_current"]
    assert (current["unit"], current["description"], current["nature"]) == ("A", "Of the new drive", "simulated")


@pytest.mark.parametrize(
    ("change", "status", "parameter", "said"),
    [
        ({"slug": "mill-1"}, 409, None, "PATCH /v1/assets/mill-1"),
        ({"home_owner": "nobody"}, 404, None, "no participant 'nobody'"),
        ({"type": "mil"}, 422, "type", "did you mean 'mill'"),
        ({"type": "mill", "leave_out": ["wings"]}, 422, "leave_out.0", "no stream 'wings'"),
        ({"streams": {"Force": {}}}, 422, "streams.Force.[key]", "pattern"),
        ({"streams": {"force": {"unit": ""}}}, 422, "streams.force.unit", "at least 1"),
        ({"streams": {"force": {"limits": {"low": 2, "high": 1}}}}, 422, "streams.force.limits", "low is above high"),
        ({"topics": ["#"]}, 422, "topics.0", "begins with a name"),
        ({"nature": "imaginary"}, 422, "nature", "simulated"),
        ({"owner": "sme-a"}, 422, "owner", "no such field"),
    ],
    ids=lambda part: str(part)[:30],
)
async def test_what_is_wrong_is_named_and_nothing_is_entered(
    quiet_lab: Floor, change: dict[str, Any], status: int, parameter: str | None, said: str
) -> None:
    before = (await quiet_lab["lab"].get("/v1/assets")).json()
    answer = await quiet_lab["lab"].post("/v1/assets", json={**PRESS, **change})
    assert answer.status_code == status, answer.text
    assert said in answer.text
    if parameter is not None:
        assert [one["parameter"] for one in answer.json()["errors"]] == [parameter]
    assert (await quiet_lab["lab"].get("/v1/assets")).json() == before


async def test_what_is_said_of_a_machine_changes_and_what_is_left_out_stays(quiet_lab: Floor) -> None:
    before = (await quiet_lab["lab"].get("/v1/assets/mill-1")).json()
    moved = await quiet_lab["lab"].patch("/v1/assets/mill-1", json={"place": "hall 3", "nature": "real"})
    assert (moved.status_code, moved.json()) == (200, {**before, "place": "hall 3", "nature": "real"})
    named = await quiet_lab["lab"].patch("/v1/assets/mill-1", json={"name": "Big mill", "topics": ["mill/1/#"]})
    assert named.json() == {**moved.json(), "name": "Big mill"}
    assert (await quiet_lab["lab"].patch("/v1/assets/mill-1", json={})).json() == named.json()
    assert (await quiet_lab["lab"].get("/v1/streams/mill-1.state")).json()["nature"] == "real"
    with psycopg.connect(quiet_lab.database.admin) as admin:
        assert admin.execute("SELECT topics FROM fieldlab.asset WHERE slug = 'mill-1'").fetchall() == [(["mill/1/#"],)]


@pytest.mark.parametrize("key", ["home_owner", "owner"])
async def test_an_owner_changes_by_tenure_and_never_by_description(quiet_lab: Floor, key: str) -> None:
    answer = await quiet_lab["lab"].patch("/v1/assets/mill-1", json={"name": "Mine", key: "sme-a"})
    assert (answer.status_code, "hand-overs" in answer.json()["detail"]) == (422, True)
    asset = (await quiet_lab["lab"].get("/v1/assets/mill-1")).json()
    assert (asset["name"], asset["home_owner"]) == ("Mill", "lab")
    assert (await quiet_lab["sme-a"].get("/v1/tenures")).json()["items"] == []


async def test_a_description_leaves_whoever_has_the_machine_its_data(lab: Floor) -> None:
    asked = {"stream": CURRENT, "from": str(EIGHT), "until": str(NINE)}
    before = (await lab["sme-a"].get("/v1/measurements", params=asked)).json()
    assert (await lab["lab"].patch("/v1/assets/mill-1", json={"name": "Another"})).status_code == 200
    after = (await lab["sme-a"].get("/v1/measurements", params=asked)).json()
    assert after["rows"] == before["rows"] != []
    assert after["segments"] == before["segments"]


async def test_a_recording_stays_one_and_a_machine_becomes_none(quiet_lab: Floor) -> None:
    tape = {**PRESS, "slug": "tape-1", "nature": "replay"}
    assert (await quiet_lab["lab"].post("/v1/assets", json=tape)).status_code == 201
    for slug, nature in (("tape-1", "real"), ("mill-1", "replay")):
        answer = await quiet_lab["lab"].patch(f"/v1/assets/{slug}", json={"nature": nature, "name": "Other"})
        assert (answer.status_code, "no recording" in answer.json()["detail"]) == (409, True)
        assert (await quiet_lab["lab"].get(f"/v1/assets/{slug}")).json()["name"] != "Other"


async def test_who_does_not_administer_learns_nothing_and_changes_nothing(quiet_lab: Floor) -> None:
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, NINE)
    for slug in ("mill-1", "robot-1", "none-9"):
        told = await quiet_lab["sme-a"].patch(f"/v1/assets/{slug}", json={"name": "Mine"})
        assert (told.status_code, "lab:admin" in told.json()["detail"]) == (403, True)
    assert (await quiet_lab["sme-a"].post("/v1/assets", json=PRESS)).status_code == 403
    assert (await quiet_lab["sme-a"].post("/v1/assets", json={**PRESS, "slug": "robot-1"})).status_code == 403
    assert (await quiet_lab["lab"].patch("/v1/assets/none-9", json={"name": "Mine"})).status_code == 404
    assert (await quiet_lab["lab"].get("/v1/assets/mill-1")).json()["name"] == "Mill"


async def test_a_machine_that_is_sent_twice_is_entered_once(quiet_lab: Floor) -> None:
    key = {"Idempotency-Key": "press"}
    first = await quiet_lab["lab"].post("/v1/assets", json=PRESS, headers=key)
    again = await quiet_lab["lab"].post("/v1/assets", json=PRESS, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert (await quiet_lab["lab"].post("/v1/assets", json=PRESS)).status_code == 409


async def test_of_two_that_enter_the_same_machine_at_once_one_does(quiet_lab: Floor) -> None:
    answers = await asyncio.gather(*(quiet_lab["lab"].post("/v1/assets", json=PRESS) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409], [one.text for one in answers]


async def test_a_machine_concerns_whoever_has_it_or_is_permitted_something_of_it(lab: Floor) -> None:
    async def seen(who: str) -> list[str]:
        return [asset["slug"] for asset in (await lab[who].get("/v1/assets")).json()["items"]]

    assert (await seen("sme-a"), await seen("sme-b"), await seen("researcher")) == (["mill-1"], ["mill-1"], ["robot-1"])
    await agree(lab)
    assert await seen("researcher") == ["mill-1", "robot-1"]
    assert (await lab["researcher"].get("/v1/assets/mill-1")).status_code == 200
