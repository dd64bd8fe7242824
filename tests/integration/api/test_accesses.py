"""Every answer with measurements stands in the ledger, for whoever asked and for whoever owns what it gave."""

import io
import json
import re
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet

from fieldlab.ownership.merkle import leaf_hash, verify_consistency, verify_inclusion
from tests.integration.api.lab import CURRENT, NINE, SPEED, Floor


async def entries(lab: Floor, who: str, whose: str | None = None) -> list[dict[str, Any]]:
    answer = await lab[who].get("/v1/accesses", params={} if whose is None else {"whose": whose})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def agreed(lab: Floor, **terms: object) -> str:
    """An agreement of sme-a with the researcher over the mill's current."""
    enforced = {"streams": [CURRENT], **terms}
    body = {"grantee": "researcher", "enforced": enforced, "declared": {"purposes": ["wear"]}}
    made = await lab["sme-a"].post("/v1/agreements", json=body)
    id_: str = made.json()["id"]
    assert (await lab["researcher"].post(f"/v1/agreements/{id_}/approve")).status_code == 200
    return id_


@pytest.mark.parametrize(
    ("path", "params", "kind", "rows"),
    [
        ("/v1/measurements", {"limit": 7}, "measurements", 7),
        ("/v1/measurements", {"limit": 7, "format": "csv"}, "measurements", 7),
        ("/v1/measurements", {"step": "1m", "limit": 5}, "measurements", 5),
        ("/v1/latest", {}, "latest", 1),
        ("/v1/segments", {}, "segments", 0),
    ],
)
async def test_an_answer_is_an_entry_for_who_asked(
    lab: Floor, path: str, params: dict[str, Any], kind: str, rows: int
) -> None:
    answer = await lab["sme-a"].get(path, params={"stream": CURRENT, **params})
    assert answer.status_code == 200, answer.text
    (entry,) = await entries(lab, "sme-a")
    assert (entry["own"], entry["entry"]["kind"], entry["entry"]["rows"]) == (True, kind, rows)
    assert entry["entry"]["question"]["streams"] == [CURRENT]
    assert [segment["owner"] for segment in entry["entry"]["segments"]] == ["sme-a"]
    assert leaf_hash(entry["text"].encode()).hex() == entry["hash"]
    assert await entries(lab, "sme-b") == []
    assert await entries(lab, "lab") == []


async def test_an_owner_sees_what_was_read_of_its_own_and_for_what(lab: Floor) -> None:
    id_ = await agreed(lab)
    asked: dict[str, Any] = {"stream": [CURRENT, SPEED], "purpose": "wear", "limit": 50}
    refused = await lab["researcher"].get("/v1/measurements", params={**asked, "stream": CURRENT, "purpose": "gossip"})
    assert refused.status_code == 403
    hidden = await lab["researcher"].get("/v1/measurements", params=asked)
    assert hidden.status_code == 404
    read = await lab["researcher"].get("/v1/measurements", params={**asked, "stream": CURRENT})
    assert len(read.json()["rows"]) == 50
    served, told = await entries(lab, "sme-a", "others")
    assert (told["entry"]["kind"], told["entry"]["purpose"]) == ("refused_purpose", "gossip")
    assert (served["entry"]["participant"], served["entry"]["purpose"]) == ("researcher", "wear")
    (segment,) = served["entry"]["segments"]
    assert (segment["agreement"], segment["rows"], segment["until"]) == (id_, 50, str(NINE))
    assert "question" not in served["entry"]
    assert (await entries(lab, "sme-b", "others")) == []
    receipt = (await lab["sme-a"].get(f"/v1/agreements/{id_}/receipt")).json()
    assert (receipt["answers"], receipt["rows"], receipt["took_effect"], receipt["cut"]) == (1, 50, None, [])
    await lab["sme-a"].post(f"/v1/agreements/{id_}/terminate")
    receipt = (await lab["sme-a"].get(f"/v1/agreements/{id_}/receipt")).json()
    assert (receipt["state"], receipt["others"][0]["rows"]) == ("terminated", 50)
    assert receipt["took_effect"] is not None
    for other in ("researcher", "sme-b"):
        assert (await lab[other].get(f"/v1/agreements/{id_}/receipt")).status_code == 404


async def test_checkpoints_come_with_answers_and_prove_what_came_after(lab: Floor) -> None:
    async def read() -> httpx.Response:
        return await lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT, "limit": 1})

    for _ in range(3):
        await read()
        await entries(lab, "sme-a")
    kept = (await read()).headers["ledger-checkpoint"]
    match = re.fullmatch(r"(\d+) ([0-9a-f]{64})", kept)
    assert match is not None
    size, root = int(match[1]), match[2]
    assert size >= 3
    await read()
    newest = (await lab["sme-b"].get("/v1/accesses/checkpoint")).json()
    proof = (await lab["sme-b"].get("/v1/accesses/proof", params={"earlier": size})).json()
    assert (proof["checkpoint"], proof["earlier"]) == (newest, {"size": size, "root": root})
    assert verify_consistency(
        earlier=size,
        later=newest["size"],
        proof=[bytes.fromhex(one) for one in proof["hashes"]],
        earlier_root=bytes.fromhex(root),
        later_root=bytes.fromhex(newest["root"]),
    )
    entry = (await entries(lab, "sme-a"))[-1]
    shown = (await lab["sme-a"].get("/v1/accesses/proof", params={"index": entry["index"]})).json()
    assert verify_inclusion(
        bytes.fromhex(entry["hash"]),
        index=entry["index"],
        size=shown["checkpoint"]["size"],
        proof=[bytes.fromhex(one) for one in shown["hashes"]],
        root=bytes.fromhex(shown["checkpoint"]["root"]),
    )
    wrongs: list[dict[str, Any]] = [{}, {"index": 0, "earlier": 0}, {"index": 10_000}, {"earlier": 10_000}]
    for wrong in wrongs:
        assert (await lab["sme-a"].get("/v1/accesses/proof", params=wrong)).status_code == 422


def checkpoint_of(answer: httpx.Response, format_: str) -> object:
    """The checkpoint that an answer carries in itself."""
    match format_:
        case "json":
            return answer.json()["checkpoint"]
        case "ndjson":
            return json.loads(answer.text.splitlines()[0])["head"]["checkpoint"]
        case "text/csv;header=comment":
            return json.loads(answer.text.splitlines()[0].removeprefix("# "))["checkpoint"]
        case "arrow":
            metadata = pa.ipc.open_stream(answer.content).schema.metadata
        case _:
            metadata = parquet.read_schema(io.BytesIO(answer.content)).metadata
    return json.loads(metadata[b"fieldlab"])["checkpoint"]


@pytest.mark.parametrize("format_", ["json", "ndjson", "text/csv;header=comment", "arrow", "parquet"])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/measurements", {"limit": 2}),
        ("/v1/measurements", {"step": "1m", "layout": "wide"}),
        ("/v1/measurements", {"from": str(NINE)}),
        ("/v1/latest", {}),
        ("/v1/segments", {}),
    ],
    ids=["a page", "wide", "nothing", "latest", "segments"],
)
async def test_every_answer_has_a_checkpoint_beside_its_segments(
    lab: Floor, path: str, asked: dict[str, Any], format_: str
) -> None:
    await entries(lab, "sme-a")
    await lab["sme-a"].get("/v1/latest", params={"stream": CURRENT})
    await entries(lab, "sme-a")
    answer = await lab["sme-a"].get(path, params={"stream": CURRENT, "format": format_, **asked})
    assert answer.status_code == 200, answer.text
    size, _, root = answer.headers["ledger-checkpoint"].partition(" ")
    kept = checkpoint_of(answer, "json" if path == "/v1/segments" else format_)
    assert kept == {"size": int(size), "root": root}
    proof = (await lab["sme-b"].get("/v1/accesses/proof", params={"earlier": size})).json()
    assert proof["earlier"] == kept


async def test_the_list_comes_in_pages_and_a_cursor_is_no_one_else_s(lab: Floor) -> None:
    for _ in range(5):
        await lab["sme-a"].get("/v1/latest", params={"stream": CURRENT})
    whole = await entries(lab, "sme-a")
    assert [entry["index"] for entry in whole] == sorted((entry["index"] for entry in whole), reverse=True)
    first = (await lab["sme-a"].get("/v1/accesses", params={"limit": 2})).json()
    second = (await lab["sme-a"].get("/v1/accesses", params={"limit": 2, "cursor": first["next"]})).json()
    assert [*first["items"], *second["items"]] == whole[:4]
    stolen = await lab["sme-b"].get("/v1/accesses", params={"limit": 2, "cursor": first["next"]})
    assert stolen.status_code == 422


async def test_broken_glass_is_read_under_its_id_and_seen_by_the_owner(lab: Floor) -> None:
    body = {"streams": ["mill-1"], "reason": "values that cannot be", "lasting": "5m"}
    made = await lab["lab"].post("/v1/break-glass", json=body)
    assert made.status_code == 201, made.text
    asked: dict[str, Any] = {"stream": CURRENT, "limit": 10_000}
    owners = {one["owner"] for one in (await lab["lab"].get("/v1/segments", params=asked)).json()["segments"]}
    assert owners == {"lab"}
    opened = (await lab["lab"].get("/v1/measurements", params={**asked, "basis": made.json()["id"]})).json()
    kinds = {segment["owner"]: segment["basis"]["kind"] for segment in opened["segments"]}
    assert kinds == {"lab": "own", "sme-a": "break_glass", "sme-b": "break_glass"}
    for owner in ("sme-a", "sme-b"):
        (shown,) = (await lab[owner].get("/v1/break-glass")).json()["items"]
        assert (shown["participant"], shown["reason"]) == ("lab", body["reason"])
        read, told = await entries(lab, owner, "others")
        assert (told["entry"]["kind"], read["entry"]["segments"][0]["basis"]) == ("break_glass", "break_glass")
    assert (await lab["researcher"].get("/v1/break-glass")).json()["items"] == []
    assert (await lab["sme-a"].post("/v1/break-glass", json=body)).status_code == 403
