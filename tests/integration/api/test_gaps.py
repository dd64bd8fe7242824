"""What is missing is told within the stretches that one may see, with their owner, and the ledger knows who asked."""

from typing import Any

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, STATE, TEN, Floor
from tests.integration.api.test_accesses import agreed, entries


def hole(lab: Floor, reference: str, start: int, until: int, cause: str = "session_lost") -> None:
    asset, name = reference.split(".")
    lab.execute(
        "INSERT INTO fieldlab.gap (stream_id, start, until, cause) SELECT s.id, %s, %s, %s FROM fieldlab.stream AS s"
        " JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE a.slug = %s AND s.name = %s",
        [str(Instant(start)), str(Instant(until)), cause, asset, name],
    )


async def told(lab: Floor, who: str, **asked: object) -> list[dict[str, Any]]:
    answer = await lab[who].get("/v1/gaps", params={"asset": "mill-1", **asked})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_hole_over_a_hand_over_is_told_to_each_owner_as_far_as_it_is_theirs(lab: Floor) -> None:
    hole(lab, CURRENT, NINE - MINUTE, NINE + MINUTE)
    (of_a,) = await told(lab, "sme-a")
    (of_b,) = await told(lab, "sme-b")
    assert (of_a["from"], of_a["until"]) == (str(Instant(NINE - MINUTE)), str(NINE))
    assert (of_b["from"], of_b["until"]) == (str(NINE), str(Instant(NINE + MINUTE)))
    assert (of_a["owner"], of_a["trial"], of_a["basis"]["kind"]) == ("sme-a", "tool-wear", "own")
    assert (of_b["owner"], of_b["trial"], of_b["name"]) == ("sme-b", None, "spindle_current")
    assert of_a["cause"] == "session_lost"
    assert await told(lab, "lab") == []
    lab.execute("UPDATE fieldlab.gap SET recovered = 3, closed_at = now()")
    assert await told(lab, "sme-a") == []


async def test_holes_are_cut_to_the_time_asked_and_hidden_streams_are_missing_ones(lab: Floor) -> None:
    hole(lab, CURRENT, EIGHT, NINE)
    (cut,) = await told(
        lab, "sme-a", **{"from": str(Instant(EIGHT + MINUTE)), "until": str(Instant(EIGHT + 2 * MINUTE))}
    )
    assert (cut["from"], cut["until"]) == (str(Instant(EIGHT + MINUTE)), str(Instant(EIGHT + 2 * MINUTE)))
    assert await told(lab, "sme-a", **{"from": str(NINE), "until": str(TEN)}) == []
    hidden, absent = [
        await lab["sme-a"].get("/v1/gaps", params={"stream": name}) for name in (JOINT, "robot-9.joint_1")
    ]
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.json()["detail"].replace(JOINT, "robot-9.joint_1") == absent.json()["detail"]


async def test_pages_give_each_hole_once_also_where_two_begin_together(lab: Floor) -> None:
    for minute in range(3):
        hole(lab, CURRENT, EIGHT + 5 * minute * MINUTE, EIGHT + (5 * minute + 1) * MINUTE)
        hole(lab, CURRENT, EIGHT + 5 * minute * MINUTE, EIGHT + (5 * minute + 2) * MINUTE, "sequence_hole")
        hole(lab, STATE, EIGHT + 5 * minute * MINUTE, EIGHT + (5 * minute + 1) * MINUTE)
    whole = await told(lab, "sme-a")
    assert len(whole) == 9
    assert [one["name"] for one in whole] == ["spindle_current"] * 6 + ["state"] * 3
    paged: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(5):
        asked = {"asset": "mill-1", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await lab["sme-a"].get("/v1/gaps", params=asked)).json()
        paged += page["items"]
        cursor = page["next"]
    assert cursor is None
    assert paged == whole


async def test_a_cursor_is_no_ones_but_the_reader_s(lab: Floor) -> None:
    hole(lab, CURRENT, NINE - 2 * MINUTE, NINE - MINUTE)
    hole(lab, CURRENT, NINE - MINUTE, NINE + MINUTE)
    asked = {"asset": "mill-1", "limit": "1"}
    cursor = (await lab["sme-a"].get("/v1/gaps", params=asked)).json()["next"]
    for who, changed in (("sme-b", {}), ("sme-a", {"asset": "robot-1"})):
        answer = await lab[who].get("/v1/gaps", params={**asked, "cursor": cursor, **changed})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")


async def test_an_agreement_opens_the_holes_of_what_it_opens_and_the_owner_sees_who_asked(lab: Floor) -> None:
    hole(lab, CURRENT, EIGHT, NINE + MINUTE)
    refused = await lab["researcher"].get("/v1/gaps", params={"stream": CURRENT})
    assert refused.status_code == 404
    id_ = await agreed(lab, data={"until": str(Instant(EIGHT + MINUTE))})
    (seen,) = await told(lab, "researcher", purpose="wear")
    assert (seen["from"], seen["until"]) == (str(EIGHT), str(Instant(EIGHT + MINUTE)))
    assert (seen["owner"], seen["basis"]["kind"], seen["basis"]["agreement"]) == ("sme-a", "agreement", id_)
    gossip = await lab["researcher"].get("/v1/gaps", params={"stream": CURRENT, "purpose": "gossip"})
    assert gossip.status_code == 403
    kinds = [one["entry"]["kind"] for one in await entries(lab, "sme-a", "others")]
    assert sorted(kinds) == ["gaps", "refused_purpose"]
    await lab["sme-a"].post(f"/v1/agreements/{id_}/terminate")
    assert (await lab["researcher"].get("/v1/gaps", params={"stream": CURRENT})).status_code == 404


async def test_the_ledger_tells_who_asked(lab: Floor) -> None:
    hole(lab, CURRENT, EIGHT, NINE)
    await told(lab, "sme-a")
    (entry,) = await entries(lab, "sme-a")
    assert (entry["own"], entry["entry"]["kind"], entry["entry"]["rows"]) == (True, "gaps", 0)
    assert {one["owner"] for one in entry["entry"]["segments"]} == {"sme-a"}


async def test_it_is_given_as_json_alone(lab: Floor) -> None:
    answer = await lab["sme-a"].get("/v1/gaps", params={"asset": "mill-1", "format": "csv"})
    assert answer.status_code == 422


async def test_a_trial_tells_what_is_missing_in_it_and_goes_on_as_a_list_of_gaps(lab: Floor) -> None:
    for minute in range(101):
        hole(lab, CURRENT, NINE - (2 * minute + 1) * SECOND, NINE - 2 * minute * SECOND)
    hole(lab, CURRENT, NINE, NINE + MINUTE)
    shown = (await lab["sme-a"].get("/v1/trials/tool-wear")).json()
    (entry,) = await entries(lab, "sme-a")
    assert (entry["entry"]["kind"], entry["entry"]["rows"]) == ("gaps", 0)
    listed = (await lab["sme-a"].get("/v1/gaps", params={"trial": "tool-wear"})).json()
    assert shown["gaps"]["items"] == listed["items"]
    assert len(listed["items"]) == 100
    asked = {"trial": "tool-wear", "cursor": shown["gaps"]["next"]}
    rest = (await lab["sme-a"].get("/v1/gaps", params=asked)).json()
    assert ([one["until"] for one in rest["items"]], rest["next"]) == ([str(NINE)], None)


async def test_a_trial_under_an_agreement_tells_its_gaps_to_who_states_the_purpose(lab: Floor) -> None:
    hole(lab, CURRENT, EIGHT, NINE + MINUTE)
    await agreed(lab, data={"until": str(Instant(EIGHT + MINUTE))})
    trial = (await lab["researcher"].get("/v1/trials/tool-wear")).json()
    assert (trial["purposes"], trial["gaps"]) == (["wear"], None)
    assert await entries(lab, "sme-a", "others") == []
    stated: list[dict[str, Any]] = [{"params": {"purpose": "wear"}}, {"headers": {"Data-Purpose": "wear"}}]
    for said in stated:
        (seen,) = (await lab["researcher"].get("/v1/trials/tool-wear", **said)).json()["gaps"]["items"]
        assert (seen["from"], seen["until"]) == (str(EIGHT), str(Instant(EIGHT + MINUTE)))
    gossip = await lab["researcher"].get("/v1/trials/tool-wear", params={"purpose": "gossip"})
    assert gossip.status_code == 403
    kinds = [one["entry"]["kind"] for one in await entries(lab, "sme-a", "others")]
    assert sorted(kinds) == ["gaps", "gaps", "refused_purpose"]
    assert (await lab["sme-b"].get("/v1/trials/tool-wear")).status_code == 404
