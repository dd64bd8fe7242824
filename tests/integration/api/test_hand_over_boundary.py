"""A sample on the hand-over's microsecond belongs to the one who takes over, on every path."""

import asyncio
import csv
import io
import json
import zipfile
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, TEN, Floor, Row, hand_over
from tests.integration.api.listening import arrive, served

AROUND = {"stream": CURRENT, "from": str(Instant(NINE - 10 * MINUTE)), "until": str(Instant(NINE + 10 * MINUTE))}


async def rows(lab: Floor, participant: str, **asked: str) -> list[list[Any]]:
    answer = await lab[participant].get("/v1/measurements", params={**AROUND, **asked})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    owners = {segment["owner"] for segment in body["segments"]}
    assert owners <= {participant}
    assert {row[-1] for row in body["rows"]} <= {segment["segment"] for segment in body["segments"]}
    return list(body["rows"])


async def test_raw_samples_divide_at_the_microsecond_of_the_hand_over(lab: Floor) -> None:
    before = [row[0] for row in await rows(lab, "sme-a")]
    after = [row[0] for row in await rows(lab, "sme-b")]
    assert before[-1] == str(Instant(NINE - 1))
    assert after[:2] == [str(NINE), str(Instant(NINE + 1))]
    assert (len(before), len(after)) == (61, 61)


async def test_a_bucket_that_the_hand_over_cuts_is_given_to_each_as_its_own_partial_part(lab: Floor) -> None:
    cut = {"step": "50m", "aggregate": "count,min,max", "from": str(EIGHT), "until": str(TEN)}
    before = await rows(lab, "sme-a", **cut)
    after = await rows(lab, "sme-b", **cut)
    assert [(row[0], row[2], row[5]) for row in before] == [
        ("2026-11-21T08:00:00.000000Z", 300, False),
        ("2026-11-21T08:50:00.000000Z", 61, True),
    ]
    assert [(row[0], row[2], row[5]) for row in after] == [
        ("2026-11-21T08:50:00.000000Z", 241, True),
        ("2026-11-21T09:40:00.000000Z", 120, True),
    ]
    assert (before[-1][3], before[-1][4]) == (-1.0, 3590.0)
    assert (after[0][3], after[0][4]) == (-2.0, 5990.0)


async def test_latest_after_a_tenure_ended_is_the_last_sample_of_that_tenure(lab: Floor) -> None:
    times = {}
    for participant in ("sme-a", "sme-b", "lab"):
        body = (await lab[participant].get("/v1/latest", params={"stream": CURRENT})).json()
        times[participant] = body["rows"][0][0]
        assert body["segments"][0]["owner"] == participant
    assert times == {
        "sme-a": str(Instant(NINE - 1)),
        "sme-b": str(Instant(TEN - 10 * SECOND)),
        "lab": str(Instant(TEN + 60 * MINUTE - 10 * SECOND)),
    }


async def test_a_late_sample_lands_with_whoever_owned_the_machine_when_it_was_measured(lab: Floor) -> None:
    lab.store(CURRENT, [Row(time=Instant(NINE - 5 * SECOND), value=77.0)])
    assert 77.0 in [row[2] for row in await rows(lab, "sme-a")]
    assert 77.0 not in [row[2] for row in await rows(lab, "sme-b")]


async def test_the_home_owner_sees_neither_booking(lab: Floor) -> None:
    body = (await lab["lab"].get("/v1/measurements", params={"stream": CURRENT})).json()
    assert [(segment["from"], segment["until"]) for segment in body["segments"]] == [
        ("-infinity", str(EIGHT)),
        (str(TEN), "infinity"),
    ]
    assert not [row for row in body["rows"] if str(EIGHT) <= row[0] < str(TEN)]
    assert len(body["rows"]) == 2 * 360


@pytest.mark.parametrize("participant", ["sme-a", "sme-b"])
async def test_a_whole_machine_gives_only_the_asker_s_stretch_of_each_stream(lab: Floor, participant: str) -> None:
    body = (await lab[participant].get("/v1/segments", params={"asset": "mill-1"})).json()
    named = {stream["id"]: stream["name"] for stream in body["streams"]}
    assert {named[segment["stream"]] for segment in body["segments"]} == {"spindle_current", "spindle_speed", "state"}
    assert {segment["owner"] for segment in body["segments"]} == {participant}


async def test_an_early_return_gives_the_rest_back_to_the_home_owner_at_once(lab: Floor) -> None:
    half_past = Instant(NINE + 30 * MINUTE)
    answer = await lab["lab"].post("/v1/assets/mill-1/returns", json={"at": str(half_past)})
    assert answer.status_code == 201, answer.text
    body = (await lab["sme-b"].get("/v1/latest", params={"stream": STATE})).json()
    assert body["rows"][0][0] == str(Instant(half_past - 10 * SECOND))
    mine = (await lab["lab"].get("/v1/segments", params={"stream": STATE})).json()["segments"]
    assert [(segment["from"], segment["until"]) for segment in mine][-1] == (str(half_past), "infinity")


async def test_a_tenure_before_the_first_sample_or_after_the_last_is_a_segment_without_rows(lab: Floor) -> None:
    later = Instant(TEN + 600 * MINUTE)
    await hand_over(lab, "mill-1", "sme-a", later, Instant(later + 60 * MINUTE))
    body = (await lab["sme-a"].get("/v1/measurements", params={"stream": CURRENT, "from": str(TEN)})).json()
    assert [(segment["from"], segment["origins"]) for segment in body["segments"]] == [(str(later), [])]
    assert body["rows"] == []


def halves(lab: Floor, reference: str) -> None:
    """Store a sample on the hand-over's microsecond, one before it and one after it, each with a value of its own."""
    lab.store(reference, [Row(time=Instant(NINE + late), value=float(late)) for late in (-1, 0, 1)])


PATHS: dict[str, dict[str, str]] = {
    "JSON": {"format": "application/json"},
    "NDJSON": {"format": "ndjson"},
    "CSV": {"format": "csv"},
    "pages": {"limit": "1000"},
    "good data": {"status": "good"},
    "one time axis": {"layout": "wide"},
    "a chart": {"points": "10"},
    "counts": {"step": "10m", "aggregate": "count,min,max"},
    "Arrow": {"format": "arrow"},
    "Parquet": {"format": "parquet"},
}


@pytest.mark.parametrize("path", PATHS)
async def test_on_every_path_the_microsecond_of_the_hand_over_is_the_new_tenant_s(lab: Floor, path: str) -> None:
    halves(lab, SPEED)
    found: dict[str, list[float]] = {}
    for who in ("sme-a", "sme-b"):
        asked = {**AROUND, "stream": SPEED, **PATHS[path]}
        answer = await lab[who].get("/v1/measurements", params=asked)
        assert answer.status_code == 200, answer.text
        found[who] = values(path, answer)
    assert found == {"sme-a": [-1.0], "sme-b": [0.0, 1.0]}


def values(path: str, answer: httpx.Response) -> list[float]:
    """The values of an answer; of buckets the smallest and the largest, each once, if there are so many."""
    match path:
        case "Arrow":
            with pa.ipc.open_stream(answer.content) as stream:
                return [float(value) for value in stream.read_all()["value"].to_pylist()]
        case "Parquet":
            return [float(value) for value in parquet.read_table(io.BytesIO(answer.content))["value"].to_pylist()]
        case "CSV":
            return [float(row["value"]) for row in csv.DictReader(io.StringIO(answer.text))]
        case "NDJSON":
            lines = [json.loads(line) for line in answer.text.splitlines()]
            return [float(line["value"]) for line in lines if "value" in line]
    body = answer.json()
    if path == "counts":
        place = {name: number for number, name in enumerate(body["columns"])}
        (row,) = body["rows"]
        found = sorted({row[place["min"]], row[place["max"]]})
        assert row[place["count"]] == len(found)
        return found
    place = body["columns"].index(SPEED if path == "one time axis" else "value")
    return [float(row[place]) for row in body["rows"]]


async def test_the_newest_and_the_value_in_force_divide_at_the_microsecond(lab: Floor) -> None:
    halves(lab, SPEED)
    for who, at, value in (("sme-a", NINE - 1, -1.0), ("sme-b", NINE, 0.0), ("sme-b", NINE + 1, 1.0)):
        asked = {"stream": SPEED, "as_of": str(Instant(at))}
        assert [row[2] for row in (await lab[who].get("/v1/measurements", params=asked)).json()["rows"]] == [value]
    assert (await lab["sme-a"].get("/v1/measurements", params={"stream": SPEED, "as_of": str(NINE)})).json()[
        "rows"
    ] == []
    newest = {
        who: (await lab[who].get("/v1/latest", params={"stream": SPEED})).json()["rows"] for who in ("sme-a", "sme-b")
    }
    assert {who: [row[2] for row in found] for who, found in newest.items()} == {"sme-a": [-1.0], "sme-b": [1.0]}


async def test_what_arrives_and_what_is_exported_divide_at_the_microsecond(lab: Floor) -> None:
    expected = {"sme-a": [-1.0], "sme-b": [0.0, 1.0]}
    async with (
        served(lab) as answering,
        answering.listen(lab.tokens["sme-a"], SPEED) as a,
        answering.listen(lab.tokens["sme-b"], SPEED) as b,
    ):
        await arrive(lab, SPEED, [Row(time=Instant(NINE + late), value=float(late)) for late in (-1, 0, 1)])
        for listener, wanted in ((a, expected["sme-a"]), (b, expected["sme-b"])):
            assert [row[2] for row in await listener.rows(len(wanted))] == wanted
    for who, wanted in expected.items():
        made = (await lab[who].post("/v1/exports", json={"stream": [SPEED]})).json()
        async with asyncio.timeout(120):
            while made["state"] in {"queued", "running"}:
                await asyncio.sleep(0.05)
                made = (await lab[who].get(f"/v1/exports/{made['id']}")).json()
        package = await lab[who].get(made["package"])
        with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".parquet")]
            table = parquet.read_table(io.BytesIO(archive.read(name)))
        assert [float(value) for value in table["value"].to_pylist()] == wanted
