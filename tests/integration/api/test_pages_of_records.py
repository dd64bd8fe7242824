"""Records come in pages as well: those of emergencies, of erasures, and of the life of an agreement."""

from typing import Any

import pytest

from tests.contract.api.test_routes import app
from tests.integration.api.lab import CURRENT, EIGHT, NINE, Floor
from tests.integration.api.test_accesses import agreed

WHOLE = frozenset({"/v1/agreements/{id}/receipt"})
"""What is no list, though parts of it are."""

TIMES = (
    "(ARRAY['2026-11-21T12:00:00Z', '2026-11-21T12:00:00.000001Z', '2026-11-21T13:00:00Z'])[1 + n %% 3]::timestamptz"
)


async def paged(lab: Floor, who: str, path: str, size: int) -> list[dict[str, Any]]:
    """All items of a list, from pages of so many."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = await lab[who].get(path, params={"limit": size, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            assert len(page["items"]) <= size
            return found
        assert len(page["items"]) == size


def glass_was_broken(lab: Floor, times: int) -> None:
    """Records of so many emergencies, several of which began at the same moment."""
    lab.execute(
        "INSERT INTO fieldlab.break_glass (participant_id, credential_id, principal, reason, opened_at, closes_at,"
        f" streams, start, until) SELECT p.id, gen_random_uuid(), 'ada', 'The spindle smokes, ' || n, {TIMES},"
        f" {TIMES} + interval '1 hour', ARRAY(SELECT id FROM fieldlab.stream WHERE name = 'spindle_current'), %s, %s"
        " FROM fieldlab.participant AS p, generate_series(1, %s) AS n WHERE p.slug = 'lab'",
        [str(EIGHT), str(NINE), times],
    )


def stretches_were_erased(lab: Floor, times: int) -> None:
    """Records of so many erasures of sme-a, several of them at the same moment."""
    lab.execute(
        "INSERT INTO fieldlab.erasure (owner_id, at, principal, reason, streams, start, until, samples, rejects,"
        f" exports) SELECT p.id, {TIMES}, 'ada', 'Asked to, ' || n, '{{1}}', %s, %s, n, 0, 0"
        " FROM fieldlab.participant AS p, generate_series(1, %s) AS n WHERE p.slug = 'sme-a'",
        [str(EIGHT), str(NINE), times],
    )


@pytest.mark.parametrize(("path", "moment"), [("/v1/break-glass", "opened_at"), ("/v1/erasures", "at")])
async def test_pages_of_any_size_give_every_record_once_newest_first(lab: Floor, path: str, moment: str) -> None:
    glass_was_broken(lab, 7)
    stretches_were_erased(lab, 7)
    whole = await paged(lab, "sme-a", path, 1000)
    assert len({one["id"] for one in whole}) == len({one["reason"] for one in whole}) == 7
    assert [one[moment] for one in whole] == sorted((one[moment] for one in whole), reverse=True)
    for size in range(1, 9):
        assert await paged(lab, "sme-a", path, size) == whole
    assert await paged(lab, "researcher", path, 3) == []


async def test_pages_of_any_size_give_each_step_of_an_agreement_once_oldest_first(lab: Floor) -> None:
    id_ = await agreed(lab)
    lab.execute(
        "INSERT INTO fieldlab.agreement_event (at, agreement_id, kind, participant_id, principal, reason)"
        f" SELECT {TIMES}, %s, 'refuse_purpose', p.id, 'ada', 'gossip ' || n"
        " FROM fieldlab.participant AS p, generate_series(1, 6) AS n WHERE p.slug = 'researcher'",
        [id_],
    )
    path = f"/v1/agreements/{id_}/events"
    whole = await paged(lab, "researcher", path, 1000)
    assert sorted(one["reason"] for one in whole if one["reason"]) == [f"gossip {n}" for n in range(1, 7)]
    assert len(whole) == 8
    assert [one["at"] for one in whole] == sorted(one["at"] for one in whole)
    for size in range(1, 10):
        assert await paged(lab, "researcher", path, size) == whole


async def test_what_the_clock_ended_stands_on_the_last_page_of_an_agreement_s_life(lab: Floor) -> None:
    body = {"grantee": "researcher", "enforced": {"streams": [CURRENT]}, "answer_within": "1s"}
    made = await lab["sme-a"].post("/v1/agreements", json=body)
    assert made.status_code == 201, made.text
    path = f"/v1/agreements/{made.json()['id']}/events"
    lab.execute("SELECT pg_sleep_until(%s)", [made.json()["answer_by"]])
    for size in (1, 2, 3):
        life = await paged(lab, "sme-a", path, size)
        assert [(one["kind"], one["principal"]) for one in life][1:] == [("expire", "the clock")]
    assert life[-1]["at"] == made.json()["answer_by"]


async def test_each_page_is_decided_anew(lab: Floor) -> None:
    glass_was_broken(lab, 4)
    first = (await lab["sme-a"].get("/v1/break-glass", params={"limit": 2})).json()
    assert len(first["items"]) == 2
    body = {"at": str(EIGHT), "to": "sme-b", "from": str(EIGHT), "until": str(NINE), "reason": "It was entered wrongly"}
    corrected = await lab["lab"].post("/v1/assets/mill-1/corrections", json=body)
    assert corrected.status_code == 201, corrected.text
    second = await lab["sme-a"].get("/v1/break-glass", params={"limit": 2, "cursor": first["next"]})
    assert second.json() == {"items": [], "next": None}
    rightful = await paged(lab, "sme-b", "/v1/break-glass", 1000)
    assert len(rightful) == 4


@pytest.mark.parametrize("path", ["/v1/break-glass", "/v1/erasures", "/v1/agreements/{id}/events"])
async def test_a_cursor_serves_one_participant_and_one_list(lab: Floor, path: str) -> None:
    glass_was_broken(lab, 3)
    stretches_were_erased(lab, 3)
    id_, other = await agreed(lab), await agreed(lab)
    mine = path.replace("{id}", id_)
    cursor = (await lab["sme-a"].get(mine, params={"limit": 1})).json()["next"]
    elsewhere = {"/v1/break-glass", "/v1/erasures", f"/v1/agreements/{id_}/events", f"/v1/agreements/{other}/events"}
    for who, where in [("researcher", mine), *(("sme-a", one) for one in sorted(elsewhere - {mine}))]:
        answer = await lab[who].get(where, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor"), (who, where)
    for edited in (cursor[:-1], "A" + cursor[1:], cursor + "A", "WzEsIDFd", "\N{SNOWMAN}"):
        answer = await lab["sme-a"].get(mine, params={"cursor": edited})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")
    assert (await lab["sme-b"].get(f"/v1/agreements/{id_}/events", params={"cursor": cursor})).status_code in {404, 422}


def test_every_list_comes_in_pages() -> None:
    document = app().openapi()
    lists = 0
    for path, item in document["paths"].items():
        if "get" not in item or path in WHOLE:
            continue
        shown = item["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
        properties = (
            document["components"]["schemas"].get(shown.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
        )
        if "items" in properties:
            lists += 1
            assert "next" in properties, path
            assert {"limit", "cursor"} <= {one["name"] for one in item["get"]["parameters"]}, path
    assert lists >= 15
