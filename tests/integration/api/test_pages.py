"""Pages give every row once, decide again each time, and their cursors serve nobody else."""

import random
from typing import Any

import pytest

from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.api.lab import CURRENT, EIGHT, NINE, STATE, TEN, Floor, hand_over


async def all_rows(
    lab: Floor, participant: str, asked: dict[str, Any], sizes: random.Random, largest: int
) -> list[list[Any]]:
    rows: list[list[Any]] = []
    cursor = None
    while True:
        page = {**asked, "limit": sizes.randint(1, largest), **({"cursor": cursor} if cursor else {})}
        answer = await lab[participant].get("/v1/measurements", params=page)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["rows"]) <= page["limit"]
        rows += body["rows"]
        cursor = body["next"]
        if cursor is None:
            return rows
        assert len(body["rows"]) == page["limit"]


ASKED: dict[str, dict[str, Any]] = {
    "samples of one stream": {"stream": CURRENT},
    "samples of a machine": {"asset": "mill-1"},
    "streams in the order asked": {"stream": [STATE, CURRENT]},
    "good samples in a range": {"stream": CURRENT, "status": "good", "from": "2026-11-21T08:10:03Z"},
    "buckets that hand-overs cut": {"asset": "mill-1", "step": "7m", "aggregate": "count,max"},
    "fine buckets": {"stream": [STATE, CURRENT], "step": "13s", "aggregate": "count"},
    "buckets over ragged bounds": {
        "stream": CURRENT,
        "from": "2026-11-21T08:07:03.5Z",
        "until": "2026-11-21T10:41:00Z",
        "step": "7m",
        "aggregate": "count",
    },
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
@pytest.mark.parametrize("participant", ["lab", "sme-a"])
async def test_pages_of_any_sizes_give_every_row_once_and_in_order(
    lab: Floor, participant: str, asked: dict[str, Any]
) -> None:
    late = Instant(TEN + 17 * MINUTE)
    await hand_over(lab, "mill-1", "sme-a", late, Instant(late + 11 * MINUTE))
    whole = (await lab[participant].get("/v1/measurements", params=asked)).json()
    assert whole["next"] is None
    assert len(whole["rows"]) > 3
    largest = min(150, len(whole["rows"]) // 2)
    for seed in range(4):
        assert await all_rows(lab, participant, asked, random.Random(seed), largest) == whole["rows"]
    order = {stream["id"]: place for place, stream in enumerate(whole["streams"])}
    places = [(order[row[1]], row[-1], row[0]) for row in whole["rows"]]
    assert places == sorted(set(places))


async def first_page(lab: Floor, participant: str, **asked: Any) -> str:  # noqa: ANN401
    body = (await lab[participant].get("/v1/measurements", params={"stream": CURRENT, "limit": 5, **asked})).json()
    return str(body["next"])


async def test_a_cursor_serves_no_other_participant(lab: Floor) -> None:
    cursor = await first_page(lab, "sme-a")
    answer = await lab["sme-b"].get("/v1/measurements", params={"stream": CURRENT, "limit": 5, "cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")


@pytest.mark.parametrize(
    "other",
    [
        {"stream": STATE},
        {"stream": [CURRENT, STATE]},
        {"from": str(EIGHT)},
        {"until": str(TEN)},
        {"last": "1h"},
        {"step": "1m"},
        {"status": "good"},
    ],
)
async def test_a_cursor_serves_no_other_query(lab: Floor, other: dict[str, str]) -> None:
    asked = {"stream": CURRENT, "cursor": await first_page(lab, "sme-a"), **other}
    answer = await lab["sme-a"].get("/v1/measurements", params=asked)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")


async def test_a_cursor_serves_another_page_size_format_and_key_of_the_same_participant(lab: Floor) -> None:
    asked: dict[str, Any] = {"stream": CURRENT, "cursor": await first_page(lab, "sme-a"), "limit": 9}
    assert len((await lab["sme-a"].get("/v1/measurements", params=asked)).json()["rows"]) == 9
    assert (await lab["sme-a"].get("/v1/measurements", params={**asked, "format": "csv"})).text.count("\n") == 10
    async with lab.client(lab.issue("sme-a")) as renewed:
        assert (await renewed.get("/v1/measurements", params=asked)).status_code == 200
    assert (await lab["sme-a"].post("/v1/measurements", json=asked)).status_code == 200


async def test_an_edited_cursor_is_a_422(lab: Floor) -> None:
    cursor = await first_page(lab, "sme-a")
    for at in (0, 5, len(cursor) // 2, len(cursor) - 6):
        edited = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        answer = await lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT, "cursor": edited})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")


async def test_a_page_after_the_hand_over_was_undone_gives_nothing_more(lab: Floor) -> None:
    cursor = await first_page(lab, "sme-b")
    ended = Instant(NINE + MINUTE)
    answer = await lab["lab"].post("/v1/assets/mill-1/returns", json={"at": str(ended)})
    assert answer.status_code == 201
    body = (await lab["sme-b"].get("/v1/measurements", params={"stream": CURRENT, "cursor": cursor})).json()
    assert body["rows"]
    assert all(row[0] < str(ended) for row in body["rows"])
    assert [segment["until"] for segment in body["segments"]] == [str(ended)]


async def test_a_cursor_kept_past_the_key_s_revocation_is_a_401(lab: Floor) -> None:
    cursor = await first_page(lab, "sme-a")
    lab.execute("UPDATE fieldlab.credential SET revoked_at = now()")
    answer = await lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT, "cursor": cursor})
    assert answer.status_code == 401


async def test_pages_of_the_last_minutes_keep_the_range_of_the_first(quiet_lab: Floor) -> None:
    from tests.integration.api.lab import SPEED, Row

    now = Instant.now()
    quiet_lab.store(SPEED, [Row(time=Instant(now - ago * 1_000_000), value=float(ago)) for ago in range(1, 50)])
    asked: dict[str, Any] = {"stream": SPEED, "last": "2m", "limit": 20}
    first = (await quiet_lab["lab"].get("/v1/measurements", params=asked)).json()
    asked["cursor"] = first["next"]
    second = (await quiet_lab["lab"].get("/v1/measurements", params=asked)).json()
    assert second["segments"][0]["until"] == first["segments"][0]["until"] == first["decided_at"]
    assert second["decided_at"] > first["decided_at"]
    assert first["rows"][-1] < second["rows"][0]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/participants", "slug"),
        ("/v1/assets", "slug"),
        ("/v1/streams", "reference"),
        ("/v1/tenures", "from"),
        ("/v1/tenures?asset=mill-1", "from"),
    ],
)
async def test_lists_page_by_page_give_every_item_once(lab: Floor, path: str, key: str) -> None:
    client = lab["lab"]
    whole = (await client.get(path)).json()
    assert whole["next"] is None
    items: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        join = "&" if "?" in path else "?"
        page = (await client.get(f"{path}{join}limit=1" + (f"&cursor={cursor}" if cursor else ""))).json()
        items += page["items"]
        cursor = page["next"]
    assert len(items) > 1
    assert items == whole["items"]
    assert all(key in item for item in items)


async def test_a_list_s_cursor_serves_no_other_list_filter_or_participant(lab: Floor) -> None:
    cursor = (await lab["lab"].get("/v1/streams", params={"limit": 1})).json()["next"]
    for participant, path, asked in (
        ("lab", "/v1/assets", {}),
        ("lab", "/v1/tenures", {}),
        ("lab", "/v1/streams", {"unit": "A"}),
        ("sme-a", "/v1/streams", {}),
    ):
        answer = await lab[participant].get(path, params={**asked, "cursor": cursor})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")
