"""Large answers as jobs: a package of Parquet that says whose it is, taken with resumption, and gone with the right."""

import asyncio
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet
from rocrate.rocrate import ROCrate
from starlette.types import Message

from api.answers.download import WatchedFile
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, TEN, Floor, Row, busy_morning, floor
from tests.integration.api.test_agreements import agree, step
from tests.servers.database import Database

OVER = {"ready", "failed", "withdrawn", "cancelled", "expired"}


@pytest.fixture
async def lab(database: Database, tmp_path: Path) -> AsyncIterator[Floor]:
    async with floor(database, api_exports_directory=tmp_path / "exports") as opened:
        await busy_morning(opened)
        yield opened


async def ask(lab: Floor, who: str, **question: object) -> dict[str, Any]:
    answer = await lab[who].post("/v1/exports", json=question)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/exports/{answer.json()['id']}"
    return dict(answer.json())


async def until(lab: Floor, who: str, id_: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            shown: dict[str, Any] = (await lab[who].get(f"/v1/exports/{id_}")).json()
            if reached(shown):
                return shown
            await asyncio.sleep(0.05)


async def ended(lab: Floor, who: str, **question: object) -> dict[str, Any]:
    made = await ask(lab, who, **question)
    return await until(lab, who, made["id"], lambda shown: shown["state"] in OVER)


async def package(lab: Floor, who: str, **question: object) -> zipfile.ZipFile:
    shown = await ended(lab, who, **question)
    assert shown["state"] == "ready", shown
    answer = await lab[who].get(shown["package"])
    assert answer.status_code == 200
    assert sha256(answer.content).hexdigest() == shown["sha256"]
    assert (len(answer.content), shown["progress"]) == (shown["size"], 1.0)
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert shown["rows"] == sum(stream["rows"] for stream in manifest(packed)["streams"])
    return packed


def table(of: zipfile.ZipFile, reference: str) -> "pa.Table":
    return parquet.read_table(io.BytesIO(of.read(f"data/{reference.replace('.', '/')}.parquet")))


def manifest(of: zipfile.ZipFile) -> dict[str, Any]:
    return dict(json.loads(of.read("manifest.json")))


async def test_a_trial_comes_as_a_package_of_what_its_reader_may_have(lab: Floor) -> None:
    packed = await package(lab, "sme-a", trial="tool-wear")
    told = manifest(packed)
    assert {stream["reference"]: stream["rows"] for stream in told["streams"]} == {CURRENT: 361, SPEED: 0, STATE: 360}
    current = next(stream for stream in told["streams"] if stream["reference"] == CURRENT)
    assert (current["unit"], current["nature"]) == ("A", "simulated")
    (segment,) = current["segments"]
    assert (segment["from"], segment["until"]) == (str(EIGHT), str(NINE))
    assert (segment["owner"], segment["trial"], segment["basis"]) == ("sme-a", "tool-wear", {"kind": "own"})
    assert segment["origins"] == ["live"]
    assert told["owners"] == {"sme-a": "First company"}
    rows = table(packed, CURRENT)
    queried = (await lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT})).json()["rows"]
    assert [str(Instant.of(time)) for time in rows["time"].to_pylist()] == [row[0] for row in queried]
    assert rows["value"].to_pylist() == [row[2] for row in queried]
    assert set(rows["owner"].to_pylist()) == {"sme-a"}
    assert set(table(packed, STATE)["value"].to_pylist()) == {"EXECUTE"}


async def test_every_file_is_listed_with_its_checksum(lab: Floor) -> None:
    packed = await package(lab, "sme-a", asset="mill-1")
    listed = {file["path"]: file for file in manifest(packed)["files"]}
    assert set(listed) | {"manifest.json", "ro-crate-metadata.json"} == set(packed.namelist())
    for path, file in listed.items():
        assert (sha256(packed.read(path)).hexdigest(), len(packed.read(path))) == (file["sha256"], file["size"])


async def test_each_table_says_unit_and_owner_and_no_row_group_spans_two(lab: Floor) -> None:
    packed = await package(lab, "lab", stream=[CURRENT])
    file = parquet.ParquetFile(io.BytesIO(packed.read("data/mill-1/spindle_current.parquet")))
    schema = file.schema_arrow
    assert schema.field("value").metadata == {b"unit": b"A", b"quantity": b"electric current"}
    assert schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert pa.types.is_dictionary(schema.field("owner").type)
    segments = json.loads(file.metadata.metadata[b"fieldlab"])["segments"]
    assert (segments[0]["from"], segments[0]["until"]) == ("-infinity", str(EIGHT))
    assert segments[1]["from"] == str(TEN)
    assert file.num_row_groups == 2
    for number in range(file.num_row_groups):
        assert len(set(file.read_row_group(number)["segment"].to_pylist())) == 1


async def test_a_package_is_a_research_object(lab: Floor, tmp_path: Path) -> None:
    await agree(lab, declared={"licence": "CC-BY-4.0"})
    packed = await package(lab, "researcher", stream=[CURRENT])
    packed.extractall(tmp_path / "crate")
    crate = ROCrate(tmp_path / "crate")
    assert (crate.name, crate.metadata.id) == (f"Measurements of {CURRENT}", "ro-crate-metadata.json")
    assert crate.license == crate.dereference("http://spdx.org/licenses/CC-BY-4.0")
    files = {entity.id for entity in crate.data_entities}
    assert files == set(packed.namelist()) - {"ro-crate-metadata.json"}
    data = crate.dereference("data/mill-1/spindle_current.parquet")
    assert data is not None
    assert data["sha256"] == sha256(packed.read(data.id)).hexdigest()
    assert data["variableMeasured"]["unitText"] == "A"
    assert [owner["name"] for owner in [data["creator"]]] == ["First company"]
    for needed in ("name", "description", "datePublished", "license"):
        assert crate.root_dataset[needed]


async def test_what_an_agreement_opens_comes_on_its_terms_with_its_text(lab: Floor) -> None:
    id_ = await agree(lab, declared={"purposes": ["research"], "licence": "CC-BY-4.0"}, resolution_floor="60s")
    question = {"stream": [CURRENT], "step": "1m", "aggregate": ["mean", "max", "count"]}
    refused = await ended(lab, "researcher", **question)
    assert (refused["state"], "purpose" in refused["detail"]) == ("failed", True)
    packed = await package(lab, "researcher", **question, purpose="research")
    rows = table(packed, CURRENT)
    assert rows.num_rows == 60
    assert set(rows["max"].to_pylist()) == {None}
    assert set(rows["count"].to_pylist()) == {6, 7}
    (segment,) = manifest(packed)["streams"][0]["segments"]
    assert (segment["basis"]["agreement"], segment["licence"]) == (id_, "CC-BY-4.0")
    signed = json.loads(packed.read(f"agreements/{id_}.json"))
    assert sha256(signed["text"].encode()).hexdigest() == segment["basis"]["hash"]
    assert json.loads(packed.read(f"agreements/{id_}.odrl.jsonld"))["@type"] == "odrl:Agreement"
    samples = await ended(lab, "researcher", stream=[CURRENT], purpose="research")
    assert (samples["state"], "floor of 1m" in samples["detail"]) == ("failed", True)


async def test_nothing_of_anybody_else_is_in_it(lab: Floor) -> None:
    for who, others in (("sme-a", "sme-b"), ("sme-b", "sme-a")):
        packed = await package(lab, who, asset="mill-1")
        for name in packed.namelist():
            assert others.encode() not in packed.read(name), name
        values = table(packed, CURRENT)["value"].to_pylist()
        assert (-1.0 in values, -2.0 in values) == (who == "sme-a", who == "sme-b")


async def test_hidden_equals_missing(lab: Floor) -> None:
    for hidden, missing in (({"asset": "robot-1"}, {"asset": "robot-9"}), ({"trial": "tool-wear"}, {"trial": "none"})):
        details = [
            (await ended(lab, "sme-b", **question))["detail"].replace(*names)
            for question, names in ((hidden, ("robot-1", "x")), (missing, ("robot-9", "x")))
        ]
        assert details[0] == details[1]
    made = await ask(lab, "sme-a", asset="mill-1")
    for route in ("", "/package"):
        theirs = await lab["sme-b"].get(f"/v1/exports/{made['id']}{route}")
        nobodys = await lab["sme-b"].get(f"/v1/exports/00000000-0000-4000-8000-000000000000{route}")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json()["detail"].replace(made["id"], "") == nobodys.json()["detail"].replace(
            "00000000-0000-4000-8000-000000000000", ""
        )
    assert (await lab["sme-b"].delete(f"/v1/exports/{made['id']}")).status_code == 404


async def test_a_download_goes_on_where_it_broke_off(lab: Floor) -> None:
    shown = await ended(lab, "sme-a", asset="mill-1")
    whole = await lab["sme-a"].get(shown["package"])
    etag = whole.headers["etag"]
    assert etag == f'"{shown["sha256"]}"'
    assert whole.headers["accept-ranges"] == "bytes"
    half = shown["size"] // 2
    rest = await lab["sme-a"].get(shown["package"], headers={"Range": f"bytes={half}-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole.content[half:])
    assert rest.headers["content-range"] == f"bytes {half}-{shown['size'] - 1}/{shown['size']}"
    other = await lab["sme-a"].get(shown["package"], headers={"Range": f"bytes={half}-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    outside = await lab["sme-a"].get(shown["package"], headers={"Range": f"bytes={shown['size']}-"})
    assert outside.status_code == 416
    head = await lab["sme-a"].head(shown["package"])
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(shown["size"]))


async def test_what_is_revoked_is_gone_from_the_disk_too(lab: Floor) -> None:
    id_ = await agree(lab)
    shown = await ended(lab, "researcher", stream=[CURRENT])
    worker = lab.app.state.desk.exports
    kept = list(worker.place._directory.rglob("*.zip"))
    assert len(kept) == 1
    assert (await lab["researcher"].get(shown["package"])).status_code == 200
    assert await step(lab, "sme-a", id_, "terminate") == 200
    gone = await lab["researcher"].get(shown["package"])
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone")
    assert not kept[0].exists()
    for path in worker.place._directory.rglob("ticket"):
        settle(path)
    await worker.tidied()
    assert list(worker.place._directory.rglob("ticket")) == []
    assert (await lab["researcher"].get(f"/v1/exports/{shown['id']}")).json()["state"] == "withdrawn"


def settle(path: Path) -> None:
    """Make a file look as if it had been there for long."""
    os.utime(path, (0, 0))


async def test_what_is_erased_takes_stored_exports_with_it(lab: Floor) -> None:
    shown = await ended(lab, "sme-a", stream=[CURRENT])
    other = await ended(lab, "sme-a", stream=[STATE])
    lab.execute(
        "SELECT fieldlab.withdraw_exports(s.id, %s, %s) FROM fieldlab.stream AS s WHERE s.name = 'spindle_current'",
        [str(EIGHT), str(Instant(EIGHT + MINUTE))],
    )
    answer = await lab["sme-a"].get(f"/v1/exports/{shown['id']}/package")
    assert (answer.status_code, "erased" in answer.json()["detail"]) == (410, True)
    assert (await lab["sme-a"].get(other["package"])).status_code == 200


async def test_an_export_may_be_ended_and_ends_with_its_time(lab: Floor) -> None:
    shown = await ended(lab, "sme-a", stream=[STATE])
    assert (await lab["sme-a"].delete(f"/v1/exports/{shown['id']}")).json()["state"] == "cancelled"
    assert (await lab["sme-a"].get(shown["package"])).status_code == 410
    late = await ended(lab, "sme-a", stream=[STATE])
    lab.execute("UPDATE fieldlab.export SET expires_at = now()")
    assert (await lab["sme-a"].get(f"/v1/exports/{late['id']}")).json()["state"] == "expired"
    assert (await lab["sme-a"].get(late["package"])).status_code == 410
    listed = (await lab["sme-a"].get("/v1/exports")).json()["items"]
    assert [one["id"] for one in listed] == [late["id"], shown["id"]]


async def test_a_key_that_is_revoked_ends_the_job(lab: Floor) -> None:
    lab.app.state.desk.exports.pause()
    made = await ask(lab, "sme-a", asset="mill-1")
    lab.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE participant_id = 2")
    lab.tokens["sme-a"] = lab.issue("sme-a")
    lab.clients.pop("sme-a")
    lab.app.state.desk.exports.resume()
    shown = await until(lab, "sme-a", made["id"], lambda shown: shown["state"] in OVER)
    assert (shown["state"], "token" in shown["detail"]) == ("failed", True)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "Give one of trial, asset, stream and everything."),
        ({"asset": "mill-1", "trial": "tool-wear"}, "Give one of"),
        ({"asset": "mill-1", "last": "1h", "until": str(TEN)}, "Give either last"),
        ({"asset": "mill-1", "aggregate": ["mean"]}, "aggregate needs a step"),
        ({"everything": True, "step": "1m"}, "everything takes neither"),
        ({"everything": False}, "true"),
        ({"asset": "mill-1", "from": str(TEN), "until": str(NINE)}, "is empty"),
        ({"asset": "mill-1", "limit": 5}, "There is no such field"),
    ],
)
async def test_a_bad_question_is_told_at_once(lab: Floor, question: dict[str, object], said: str) -> None:
    answer = await lab["sme-a"].post("/v1/exports", json=question)
    assert answer.status_code == 422
    assert said.lower() in answer.text.lower()


async def test_whoever_leaves_takes_everything(lab: Floor) -> None:
    id_ = await agree(lab)
    packed = await package(lab, "sme-a", everything=True)
    told = manifest(packed)
    assert {stream["reference"] for stream in told["streams"]} == {CURRENT, SPEED, STATE}
    assert {one["owner"] for stream in told["streams"] for one in stream["segments"]} == {"sme-a"}
    assert json.loads(packed.read("participant.json"))["name"] == "First company"
    assert json.loads(packed.read(f"agreements/{id_}.json"))["events"][0]["kind"] == "offer"
    bookings = [json.loads(line) for line in packed.read("tenures.ndjson").splitlines()]
    assert json.loads(packed.read("checkpoint.json"))["root"]
    assert all(json.loads(line) for line in packed.read("ledger.ndjson").splitlines())
    assert {(one["owner"], one["from"], one["trial"]) for one in bookings} == {("sme-a", str(EIGHT), "tool-wear")}


async def test_the_ledger_has_one_entry_of_a_job_with_what_it_read(lab: Floor) -> None:
    await agree(lab)
    shown = await ended(lab, "researcher", stream=[CURRENT])
    for who, whose in (("researcher", "mine"), ("sme-a", "others")):
        entries = (await lab[who].get("/v1/accesses", params={"whose": whose})).json()["items"]
        told = json.dumps([entry for entry in entries if '"export"' in json.dumps(entry)])
        assert (who, "researcher" in told, str(shown["rows"]) in told) == (who, True, True)


async def test_a_job_that_was_interrupted_is_done_by_whoever_starts_next(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "exports"
    async with floor(database, api_exports_directory=place) as first:
        await busy_morning(first)
        first.app.state.desk.exports.pause()
        made = await ask(first, "sme-a", asset="mill-1")
        token = first.tokens["sme-a"]
    async with floor(database, declared=False, api_exports_directory=place) as second:
        second.tokens = {"sme-a": token}
        shown = await until(second, "sme-a", made["id"], lambda shown: shown["state"] in OVER)
        assert shown["state"] == "ready"
        assert (await second["sme-a"].get(shown["package"])).status_code == 200


async def test_batches_of_a_long_stretch_make_one_table(lab: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exports.taking.BATCH", 100)
    every = range(EIGHT, EIGHT + 10 * MINUTE, SECOND)
    lab.store(SPEED, (Row(time=Instant(time), value=float(time)) for time in every))
    packed = await package(lab, "sme-a", stream=[SPEED])
    assert table(packed, SPEED)["value"].to_pylist() == [float(time) for time in every]


async def test_a_download_under_way_ends_when_the_right_does(lab: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.answers.word.GOOD_FOR", 0.0)
    id_ = await agree(lab)
    shown = await ended(lab, "researcher", stream=[CURRENT])
    sent: list[bytes] = []
    monkeypatch.setattr(WatchedFile, "chunk_size", 1000)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            sent.append(message["body"])
            if len(sent) == 2:
                assert await step(lab, "sme-a", id_, "terminate") == 200

    token = lab.tokens["researcher"]
    request = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "path": shown["package"],
        "raw_path": shown["package"].encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("lab", 80),
        "client": ("reader", 1),
        "headers": [(b"host", b"lab"), (b"authorization", f"Bearer {token}".encode())],
        "state": {},
    }

    async def receive() -> Message:
        await asyncio.sleep(100)
        return {"type": "http.disconnect"}

    with pytest.raises(ConnectionAbortedError):
        await lab.app(request, receive, send)
    assert len(b"".join(sent)) < shown["size"]


async def test_a_trial_is_one_handle(lab: Floor) -> None:
    (trial,) = (await lab["sme-a"].get("/v1/trials")).json()["items"]
    assert trial == {
        "slug": "tool-wear",
        "owner": "sme-a",
        "from": str(EIGHT),
        "until": str(NINE),
        "assets": ["mill-1"],
        "streams": [CURRENT, SPEED, STATE],
        "licences": [],
        "purposes": [],
    }
    shown = (await lab["sme-a"].get("/v1/trials/tool-wear")).json()
    assert shown.pop("gaps")["items"] == []
    assert shown == trial
    assert (await lab["sme-b"].get("/v1/trials")).json()["items"] == []
    hidden = await lab["sme-b"].get("/v1/trials/tool-wear/package")
    missing = await lab["sme-b"].get("/v1/trials/none/package")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"].replace("tool-wear", "none") == missing.json()["detail"]
    await agree(lab, declared={"licence": "CC-BY-4.0", "purposes": ["research"]})
    (opened,) = (await lab["researcher"].get("/v1/trials")).json()["items"]
    assert (opened["streams"], opened["licences"], opened["purposes"]) == ([CURRENT], ["CC-BY-4.0"], ["research"])


async def test_the_package_of_a_trial_is_made_once_and_then_given(lab: Floor) -> None:
    first = await lab["sme-a"].get("/v1/trials/tool-wear/package")
    assert (first.status_code, first.headers["retry-after"]) == (202, "2")
    await until(lab, "sme-a", first.json()["id"], lambda shown: shown["state"] == "ready")
    given = await lab["sme-a"].get("/v1/trials/tool-wear/package")
    assert (given.status_code, given.headers["content-type"]) == (200, "application/zip")
    assert manifest(zipfile.ZipFile(io.BytesIO(given.content)))["title"] == "Trial tool-wear"
    assert len((await lab["sme-a"].get("/v1/exports")).json()["items"]) == 1


async def test_strangers_get_nothing(lab: Floor) -> None:
    shown = await ended(lab, "sme-a", stream=[STATE])
    stranger: httpx.AsyncClient = lab.client(None)
    assert (await stranger.get(shown["package"])).status_code == 401
