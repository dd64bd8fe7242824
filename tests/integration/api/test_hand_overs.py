"""Hand-overs and returns: what they change, what they refuse, and what they do not tell."""

import asyncio

from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.api.lab import CURRENT, DATA, EIGHT, JOINT, NINE, TEN, Floor, Row, hand_over


async def test_a_hand_over_answers_with_the_timelines_that_it_made(quiet_lab: Floor) -> None:
    body = {"to": "sme-a", "from": str(EIGHT), "until": str(NINE), "trial": "tool-wear"}
    answer = await quiet_lab["lab"].post("/v1/assets/mill-1/hand-overs", json=body)
    assert answer.status_code == 201
    timeline = [tenure for tenure in answer.json()["items"] if tenure["stream"] == "spindle_current"]
    assert timeline == [
        tenure("lab", "-infinity", str(EIGHT)),
        {**tenure("sme-a", str(EIGHT), str(NINE)), "trial": "tool-wear", "booked": True},
        tenure("lab", str(NINE), "infinity"),
    ]
    listed = (await quiet_lab["lab"].get("/v1/tenures", params={"asset": "mill-1"})).json()["items"]
    assert [one for one in listed if one["stream"] == "spindle_current"] == timeline


def tenure(owner: str, start: str, until: str) -> dict[str, object]:
    return {
        "asset": "mill-1",
        "stream": "spindle_current",
        "owner": owner,
        "from": start,
        "until": until,
        "trial": None,
        "booked": False,
    }


async def test_an_open_hand_over_lasts_until_it_is_returned(quiet_lab: Floor) -> None:
    answer = await quiet_lab["lab"].post("/v1/assets/mill-1/hand-overs", json={"to": "sme-a", "from": str(EIGHT)})
    assert answer.json()["items"][1]["until"] == "infinity"
    await quiet_lab["lab"].post("/v1/assets/mill-1/returns", json={"at": str(TEN)})
    segments = (await quiet_lab["sme-a"].get("/v1/segments", params={"stream": CURRENT})).json()["segments"]
    assert [(segment["from"], segment["until"]) for segment in segments] == [(str(EIGHT), str(TEN))]


async def test_a_booked_time_is_a_409_that_does_not_say_by_whom(lab: Floor) -> None:
    body = {"to": "sme-b", "from": str(Instant(NINE - 10 * MINUTE)), "until": str(TEN)}
    answer = await lab["lab"].post("/v1/assets/mill-1/hand-overs", json=body)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/tenure-conflict"
    for told in ("sme-a", "sme-b", "tool-wear", "tenure_disjoint", "constraint"):
        assert told not in answer.text


async def test_a_trial_of_another_participant_cannot_be_taken(lab: Floor) -> None:
    body = {"to": "sme-b", "from": str(TEN), "until": str(Instant(TEN + 60 * MINUTE)), "trial": "tool-wear"}
    answer = await lab["lab"].post("/v1/assets/mill-1/hand-overs", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert "sme-a" not in answer.text
    segments = (await lab["sme-b"].get("/v1/segments", params={"stream": CURRENT})).json()["segments"]
    assert [segment["until"] for segment in segments] == [str(TEN)]


async def test_a_trial_may_go_on_at_another_time(lab: Floor) -> None:
    await hand_over(lab, "mill-1", "sme-a", TEN, Instant(TEN + 60 * MINUTE), "tool-wear")
    segments = (await lab["sme-a"].get("/v1/segments", params={"stream": CURRENT})).json()["segments"]
    assert [segment["trial"] for segment in segments] == ["tool-wear", "tool-wear"]


async def test_an_unknown_asset_or_participant_is_a_404(lab: Floor) -> None:
    body = {"to": "sme-a", "from": str(TEN), "until": str(Instant(TEN + 60 * MINUTE))}
    assert (await lab["lab"].post("/v1/assets/mill-9/hand-overs", json=body)).status_code == 404
    answer = await lab["lab"].post("/v1/assets/mill-1/hand-overs", json={**body, "to": "sme-z"})
    assert answer.status_code == 404
    assert "sme-z" in answer.json()["detail"]


async def test_nothing_is_returned_when_nothing_is_booked(lab: Floor) -> None:
    for at in (TEN, EIGHT, Instant(EIGHT - 60 * MINUTE)):
        answer = await lab["lab"].post("/v1/assets/mill-1/returns", json={"at": str(at)})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/tenure-conflict")
    answer = await lab["lab"].post("/v1/assets/mill-1/returns", json={"at": str(Instant(EIGHT + 1))})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-interval")


async def test_of_hand_overs_at_once_one_wins_and_the_others_are_told(quiet_lab: Floor) -> None:
    body = {"from": str(EIGHT), "until": str(NINE)}
    answers = await asyncio.gather(
        *(
            quiet_lab["lab"].post("/v1/assets/mill-1/hand-overs", json={**body, "to": to})
            for to in ("sme-a", "sme-b", "researcher", "sme-a")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    listed = (await quiet_lab["lab"].get("/v1/tenures", params={"asset": "mill-1"})).json()["items"]
    assert len([one for one in listed if one["booked"]]) == 3


async def test_data_measured_before_the_hand_over_was_entered_changes_hands_with_it(quiet_lab: Floor) -> None:
    quiet_lab.store(CURRENT, [Row(time=EIGHT, value=1.0)])
    assert (await quiet_lab["lab"].get("/v1/measurements", params={"stream": CURRENT})).json()["rows"]
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, NINE)
    assert not (await quiet_lab["lab"].get("/v1/measurements", params={"stream": CURRENT})).json()["rows"]
    assert (await quiet_lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT})).json()["rows"]


async def test_an_owner_lends_its_own_machine_and_is_told_nothing_of_another_s(quiet_lab: Floor) -> None:
    lending = {who: quiet_lab.issue(who, DATA | {Permission.TENURES_WRITE}) for who in ("researcher", "sme-a")}
    body = {"to": "sme-a", "from": str(EIGHT), "until": str(NINE), "trial": "grip"}
    async with quiet_lab.client(lending["researcher"]) as owner, quiet_lab.client(lending["sme-a"]) as tenant:
        lent = await owner.post("/v1/assets/robot-1/hand-overs", json={**body, "streams": ["joint_1"]})
        assert lent.status_code == 201, lent.text
        assert [one["owner"] for one in lent.json()["items"]] == ["researcher", "sme-a", "researcher"]
        assert JOINT in (await tenant.get("/v1/trials/grip")).json()["streams"]
        taken = await owner.post("/v1/assets/robot-1/hand-overs", json={**body, "to": "sme-b", "trial": None})
        assert (taken.status_code, taken.json()["type"]) == (409, "/problems/tenure-conflict")
        assert "sme-a" not in taken.text
        early = {"at": str(Instant(NINE - 10 * MINUTE))}
        refused = await owner.post("/v1/assets/robot-1/returns", json={**early, "streams": ["joint_1"]})
        assert refused.status_code == 403, refused.text
        shown = [(one["stream"], one["owner"]) for one in (await owner.get("/v1/tenures")).json()["items"]]
        assert ("joint_1", "sme-a") in shown
        given = await tenant.post("/v1/assets/robot-1/returns", json=early)
        assert given.status_code == 201, given.text
        answers = [
            await owner.post(f"/v1/assets/{asset}/hand-overs", json=body, headers={"X-Request-Id": "same"})
            for asset in ("mill-1", "mill-9")
        ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace("mill-1", "…") == answers[1].text.replace("mill-9", "…")
