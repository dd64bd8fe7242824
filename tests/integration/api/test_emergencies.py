"""Under broken glass every kind of answer opens, for its time; and whose data it is sees why, and each thing read."""

import asyncio
import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from fieldlab.readings.instant import Instant
from tests.integration.api.lab import CURRENT, EIGHT, FAR, JOINT, NINE, SPEED, TEN, Floor, Row, hand_over
from tests.integration.api.listening import Wire, arrive, served

WHY = "the spindle smokes, and its tenant cannot be reached"
RANGE = {"from": str(EIGHT), "until": str(NINE)}

ANSWERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "JSON": ("/v1/measurements", {"limit": 10}, "measurements"),
    "NDJSON": ("/v1/measurements", {"format": "ndjson"}, "measurements"),
    "CSV": ("/v1/measurements", {"format": "csv"}, "measurements"),
    "Arrow": ("/v1/measurements", {"format": "arrow"}, "measurements"),
    "Parquet": ("/v1/measurements", {"format": "parquet"}, "measurements"),
    "buckets": ("/v1/measurements", {"step": "10m", "aggregate": "mean"}, "measurements"),
    "filled buckets": ("/v1/measurements", {"step": "10m", "aggregate": "mean", "fill": "previous"}, "measurements"),
    "a chart": ("/v1/measurements", {"points": 20}, "measurements"),
    "one time axis": ("/v1/measurements", {"layout": "wide"}, "measurements"),
    "the value in force": ("/v1/measurements", {"as_of": str(Instant(NINE - 1))}, "measurements"),
    "the newest value": ("/v1/latest", {"stream": SPEED}, "latest"),
    "segments": ("/v1/segments", {}, "segments"),
}
"""Every kind of answer that is asked for at once: where, how, and what the ledger calls it."""


async def broken(lab: Floor, *streams: str, lasting: str = "30m") -> str:
    """Break the glass as the operator; gives its id, which is the basis to name."""
    body = {"streams": [*streams], "reason": WHY, "lasting": lasting}
    made = await lab["lab"].post("/v1/break-glass", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def close(lab: Floor) -> None:
    """Let its hour have passed."""
    lab.execute("ALTER TABLE fieldlab.break_glass DISABLE TRIGGER ALL")
    lab.execute(
        "UPDATE fieldlab.break_glass SET opened_at = opened_at - interval '1 hour',"
        " closes_at = closes_at - interval '1 hour'"
    )
    lab.execute("ALTER TABLE fieldlab.break_glass ENABLE TRIGGER ALL")


async def told(lab: Floor, owner: str) -> list[dict[str, Any]]:
    """What the owner's ledger says of others, oldest first."""
    answer = await lab[owner].get("/v1/accesses", params={"whose": "others", "limit": 1000})
    assert answer.status_code == 200, answer.text
    return [one["entry"] for one in reversed(answer.json()["items"])]


def grounds(entry: dict[str, Any]) -> set[tuple[str, str]]:
    return {(part["basis"], part["agreement"]) for part in entry["segments"]}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_every_answer_opens_to_whoever_names_it_and_is_told_to_the_owner_with_the_reason(
    lab: Floor, kind: str
) -> None:
    path, how, noted = ANSWERS[kind]
    asked = {"stream": CURRENT, **how} | ({} if path == "/v1/latest" or "as_of" in how else RANGE)
    lab.store(SPEED, [Row(time=EIGHT, value=1.0)])
    glass = await broken(lab, CURRENT, SPEED)
    shut = await lab["lab"].get(path, params=asked)
    assert shut.status_code == 200, shut.text
    opened = await lab["lab"].get(path, params={**asked, "basis": glass})
    assert opened.status_code == 200, opened.text
    assert (b"sme-a" in shut.content, b"sme-a" in opened.content) == (False, True), kind
    assert b"break_glass" in opened.content or "segments" in opened.headers.get("link", "")
    notice, entry = await told(lab, "sme-a")
    assert (notice["kind"], notice["reason"], notice["participant"]) == ("break_glass", WHY, "lab")
    assert (entry["kind"], entry["participant"]) == (noted, "lab")
    assert grounds(entry) == {("break_glass", glass)}
    assert (await lab["lab"].get(path, params={**asked, "stream": JOINT, "basis": glass})).status_code == 200
    assert len(await told(lab, "sme-a")) == 2
    assert await told(lab, "researcher") == []
    close(lab)
    after = await lab["lab"].get(path, params={**asked, "basis": glass})
    assert b"sme-a" not in after.content


async def until_ready(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            shown: dict[str, Any] = (await client.get(f"/v1/exports/{id_}")).json()
            if shown["state"] not in {"queued", "running"}:
                return shown
            await asyncio.sleep(0.05)


async def test_an_export_says_why_it_was_made_and_is_there_as_long_as_the_glass_is_broken(lab: Floor) -> None:
    glass = await broken(lab, CURRENT)
    made = await lab["lab"].post("/v1/exports", json={"stream": [CURRENT], **RANGE, "basis": glass})
    assert made.status_code == 202, made.text
    shown = await until_ready(lab["lab"], made.json()["id"])
    assert shown["state"] == "ready", shown
    package = await lab["lab"].get(shown["package"])
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        reason = json.loads(archive.read(f"emergencies/{glass}.json"))["reason"]
        (table,) = json.loads(archive.read("manifest.json"))["streams"]
    assert reason == WHY
    assert [(part["owner"], part["basis"]["kind"]) for part in table["segments"]] == [("sme-a", "break_glass")]
    assert table["rows"] > 0
    notice, *read = await told(lab, "sme-a")
    assert notice["reason"] == WHY
    assert {entry["kind"] for entry in read} >= {"export"}
    assert all(grounds(entry) == {("break_glass", glass)} for entry in read)
    close(lab)
    assert (await lab["lab"].get(shown["package"])).status_code in {404, 410}


@pytest.mark.parametrize("wire", Wire)
async def test_what_arrives_is_followed_until_the_glass_closes_which_is_said(quiet_lab: Floor, wire: Wire) -> None:
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, FAR)
    glass = await broken(quiet_lab, CURRENT)
    token = quiet_lab.tokens["lab"]
    async with served(quiet_lab, wire) as answering, answering.listen(token, CURRENT, basis=glass) as listener:
        await arrive(quiet_lab, CURRENT, [Row(time=TEN, value=7.5)])
        (row,) = await listener.rows(1)
        assert row[2] == 7.5
        assert listener.owner(row[4]) == "sme-a"
        close(quiet_lab)
        end = await listener.until("end")
    assert end["data"]["reason"] == "break_glass.closed"
    notice, *read = await told(quiet_lab, "sme-a")
    assert notice["reason"] == WHY
    assert {entry["kind"] for entry in read} == {"live"}
    assert all(grounds(entry) == {("break_glass", glass)} for entry in read)


async def test_whoever_does_not_name_it_follows_nothing_of_it(quiet_lab: Floor) -> None:
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, TEN)
    await broken(quiet_lab, CURRENT)
    async with served(quiet_lab) as answering, answering.listen(quiet_lab.tokens["lab"], CURRENT) as listener:
        await arrive(quiet_lab, CURRENT, [Row(time=EIGHT, value=1.0), Row(time=TEN, value=2.0)])
        assert [row[2] for row in await listener.rows(1)] == [2.0]
    assert [entry["kind"] for entry in await told(quiet_lab, "sme-a")] == ["break_glass"]
