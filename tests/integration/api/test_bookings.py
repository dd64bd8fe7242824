"""A trial's bookings over several machines: all of it or nothing, and no word of who is in the way."""

from typing import Any

import httpx
import pytest

from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, SPEED, TEN, Floor, hand_over

ELEVEN = Instant(TEN + 60 * MINUTE)


async def booked(lab: Floor, **changes: object) -> httpx.Response:
    body = {
        "slug": "joining",
        "participant": "sme-b",
        "assets": ["mill-1"],
        "streams": [JOINT],
        "from": str(EIGHT),
        "until": str(NINE),
    }
    return await lab["lab"].post("/v1/trials", json=body | changes)


def held(answer: httpx.Response) -> dict[str, list[tuple[str, str, str]]]:
    assert answer.status_code == 201, answer.text
    shown: dict[str, list[tuple[str, str, str]]] = {}
    items: list[dict[str, Any]] = answer.json()["items"]
    for one in items:
        assert (one["trial"], one["booked"]) == (answer.json()["slug"], True)
        shown.setdefault(f"{one['asset']}.{one['stream']}", []).append((one["owner"], one["from"], one["until"]))
    return shown


async def test_a_trial_books_machines_and_single_streams_for_its_participant(quiet_lab: Floor) -> None:
    expected = {name: [("sme-b", str(EIGHT), str(NINE))] for name in (CURRENT, SPEED, "mill-1.state", JOINT)}
    assert held(await booked(quiet_lab, streams=[JOINT, CURRENT])) == expected
    shown = (await quiet_lab["sme-b"].get("/v1/trials/joining")).json()
    assert (shown["owner"], shown["assets"]) == ("sme-b", ["mill-1", "robot-1"])
    assert sorted(shown["streams"]) == sorted(expected)
    power = (await quiet_lab["lab"].get("/v1/tenures", params={"asset": "robot-1"})).json()["items"]
    assert [one["owner"] for one in power if one["stream"] == "power"] == ["researcher"]


async def test_the_same_trial_may_take_more_but_not_for_another_participant(quiet_lab: Floor) -> None:
    held(await booked(quiet_lab, assets=[]))
    assert held(await booked(quiet_lab, assets=[], **{"from": str(TEN), "until": str(ELEVEN)}))[JOINT] == [
        ("sme-b", str(EIGHT), str(NINE)),
        ("sme-b", str(TEN), str(ELEVEN)),
    ]
    refused = await booked(quiet_lab, participant="sme-a", streams=[])
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")
    assert "sme-b" not in refused.text


async def test_where_one_machine_is_booked_nothing_is_and_nobody_is_named(quiet_lab: Floor) -> None:
    await hand_over(quiet_lab, "robot-1", "sme-a", EIGHT, NINE, "secret-trial")
    refused = await booked(quiet_lab)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/tenure-conflict")
    for told in ("sme-a", "secret-trial", "robot-1", "joint_1", "constraint"):
        assert told not in refused.text
    assert (await quiet_lab["sme-b"].get("/v1/tenures")).json()["items"] == []


async def test_a_trial_is_extended_and_returned_as_a_whole(quiet_lab: Floor) -> None:
    held(await booked(quiet_lab))
    extended = await quiet_lab["lab"].post("/v1/trials/joining/extensions", json={"until": str(TEN)})
    assert {*map(tuple, held(extended).values())} == {(("sme-b", str(EIGHT), str(TEN)),)}
    returned = await quiet_lab["lab"].post("/v1/trials/joining/returns", json={"at": str(NINE)})
    assert {*map(tuple, held(returned).values())} == {(("sme-b", str(EIGHT), str(NINE)),)}
    listed = (await quiet_lab["lab"].get("/v1/tenures")).json()["items"]
    after = {(one["asset"], one["owner"]) for one in listed if one["from"] == str(NINE)}
    assert after == {("mill-1", "lab"), ("robot-1", "researcher")}
    again = await quiet_lab["lab"].post("/v1/trials/joining/returns", json={"at": str(NINE)})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/tenure-conflict")


async def test_a_trial_is_not_extended_into_the_time_of_another(quiet_lab: Floor) -> None:
    held(await booked(quiet_lab))
    await hand_over(quiet_lab, "mill-1", "sme-a", NINE, TEN, "secret-trial")
    refused = await quiet_lab["lab"].post("/v1/trials/joining/extensions", json={"until": str(TEN)})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/tenure-conflict")
    assert not {"sme-a", "secret-trial"} & {*refused.json()["detail"].split()}
    listed = (await quiet_lab["sme-b"].get("/v1/tenures")).json()["items"]
    assert {one["until"] for one in listed} == {str(NINE)}


@pytest.mark.parametrize(
    ("path", "body"), [("extensions", {"until": str(TEN)}), ("returns", {"at": str(Instant(EIGHT + MINUTE))})]
)
async def test_only_who_administers_the_lab_changes_a_trial(quiet_lab: Floor, path: str, body: dict[str, str]) -> None:
    held(await booked(quiet_lab))
    for who in ("sme-a", "sme-b"):
        answers = [await quiet_lab[who].post(f"/v1/trials/{slug}/{path}", json=body) for slug in ("joining", "none")]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
    unknown = await quiet_lab["lab"].post(f"/v1/trials/none/{path}", json=body)
    assert unknown.status_code == 404


async def test_only_who_administers_the_lab_books(quiet_lab: Floor) -> None:
    body = {"slug": "mine", "participant": "sme-a", "assets": ["mill-1"], "from": str(EIGHT), "until": str(NINE)}
    assert (await quiet_lab["sme-a"].post("/v1/trials", json=body)).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"assets": [], "streams": []}, 422),
        ({"streams": ["joint_1"]}, 422),
        ({"until": str(EIGHT)}, 422),
        ({"from": str(Instant(EIGHT + 1))}, 422),
        ({"assets": ["mill-9"]}, 404),
        ({"streams": ["robot-1.joint_9"]}, 404),
        ({"participant": "sme-z"}, 404),
    ],
)
async def test_a_wrong_booking_is_refused_and_changes_nothing(
    quiet_lab: Floor, changes: dict[str, object], status: int
) -> None:
    assert (await booked(quiet_lab, **changes)).status_code == status
    assert (await quiet_lab["sme-b"].get("/v1/tenures")).json()["items"] == []
