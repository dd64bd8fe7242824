"""Every format has the same rows with their owners, opens in what researchers use, and ends in a way of its own."""

import csv
import io
import json
import zlib
from typing import Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage.read import FIRST
from fieldlab.storage.samples import BATCH
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, Floor, Row, hand_over

FORMATS = ["json", "ndjson", "csv", "arrow", "parquet"]
MANY = FIRST + BATCH + 1000
"""Samples enough for a first batch, a whole one, and a rest."""


async def ask(lab: Floor, participant: str, format_: str, **asked: Any) -> httpx.Response:  # noqa: ANN401
    given = {"format": format_, **{name.rstrip("_"): value for name, value in asked.items()}}
    answer = await lab[participant].get("/v1/measurements", params=given)
    assert answer.status_code == 200, answer.text
    return answer


def rows(answer: httpx.Response, format_: str) -> list[tuple[Any, ...]]:
    """Time, stream, value, status, owner and segment of each row, whatever the format."""
    match format_:
        case "json":
            body = answer.json()
            names = {stream["id"]: f"{stream['asset']}.{stream['name']}" for stream in body["streams"]}
            owners = [segment["owner"] for segment in body["segments"]]
            return [(t, names[s], value, status, owners[n], n) for t, s, value, status, n in body["rows"]]
        case "ndjson":
            head, *lines, end = map(json.loads, answer.text.splitlines())
            owners = [segment["owner"] for segment in head["head"]["segments"]]
            assert end["end"]["complete"]
            assert end["end"]["rows"] == len(lines)
            return [
                (r["time"], r["stream"], r["value"], r["status"], owners[r["segment"]], r["segment"]) for r in lines
            ]
        case "csv":
            table = csv.DictReader(io.StringIO(answer.text, newline=""), strict=True)
            return [
                (
                    r["time"],
                    f"{r['asset']}.{r['stream']}",
                    _cell(r["value"]),
                    int(r["status"]),
                    r["owner"],
                    int(r["segment"]),
                )
                for r in table
            ]
        case _:
            opened = pa.ipc.open_stream(answer.content).read_all() if format_ == "arrow" else _parquet(answer)
            return [
                (
                    str(Instant.of(r["time"])),
                    r["stream"],
                    r["value"] if r.get("text") is None else r["text"],
                    r["status"],
                    r["owner"],
                    r["segment"],
                )
                for r in opened.to_pylist()
            ]


def _cell(text: str) -> float | str | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _parquet(answer: httpx.Response) -> pa.Table:
    return parquet.read_table(io.BytesIO(answer.content))


async def store_many(lab: Floor) -> None:
    await hand_over(lab, "mill-1", "sme-a", EIGHT, NINE)
    step = (NINE - EIGHT) // MANY
    lab.store(SPEED, (Row(time=Instant(EIGHT + number * step), value=number / 8) for number in range(MANY)))


@pytest.mark.parametrize("format_", FORMATS[1:])
async def test_every_format_has_the_rows_of_the_json_answer(lab: Floor, format_: str) -> None:
    asked = {"stream": [CURRENT, STATE], "from_": str(Instant(EIGHT - 60 * SECOND)), "until": str(NINE)}
    expected = rows(await ask(lab, "sme-a", "json", **asked), "json")
    assert len(expected) == 2 * 360 + 1
    assert rows(await ask(lab, "sme-a", format_, **asked), format_) == expected


@pytest.mark.parametrize("format_", FORMATS)
async def test_an_answer_without_a_limit_is_whole_however_long(quiet_lab: Floor, format_: str) -> None:
    await store_many(quiet_lab)
    found = rows(await ask(quiet_lab, "sme-a", format_, stream=SPEED), format_)
    assert [row[2] for row in found] == [number / 8 for number in range(MANY)]
    assert len({row[0] for row in found}) == MANY
    assert {row[4] for row in found} == {"sme-a"}


@pytest.mark.parametrize("format_", ["json", "ndjson"])
async def test_a_long_answer_tells_its_origins_at_the_end(quiet_lab: Floor, format_: str) -> None:
    await store_many(quiet_lab)
    written = (await ask(quiet_lab, "sme-a", format_, stream=SPEED)).text
    said = json.loads(written if format_ == "json" else written.splitlines()[-1])
    origins = said["origins"] if format_ == "json" else said["end"]["origins"]
    assert origins == [{"segment": 0, "origins": ["live"]}]


async def test_buckets_without_a_limit_are_whole_too(quiet_lab: Floor) -> None:
    await store_many(quiet_lab)
    bounds = {"from_": str(EIGHT), "until": str(NINE), "step": "50ms", "aggregate": "count"}
    table = _parquet(await ask(quiet_lab, "sme-a", "parquet", stream=SPEED, **bounds))
    assert sum(table.column("count").to_pylist()) == MANY
    assert len(set(table.column("time").to_pylist())) == len(table) > BATCH


@pytest.mark.parametrize("format_", ["arrow", "parquet"])
async def test_typed_formats_carry_segments_units_and_owners(lab: Floor, format_: str) -> None:
    answer = await ask(lab, "lab", format_, stream=CURRENT)
    table = pa.ipc.open_stream(answer.content).read_all() if format_ == "arrow" else _parquet(answer)
    decision = json.loads(table.schema.metadata[b"fieldlab"])
    expected = (await ask(lab, "lab", "json", stream=CURRENT)).json()
    assert decision["segments"] == expected["segments"]
    assert decision["streams"] == expected["streams"]
    assert table.schema.field("value").metadata[b"unit"] == b"A"
    assert [str(table.schema.field(name).type) for name in ("time", "value", "status", "segment")] == [
        "timestamp[us, tz=UTC]",
        "double",
        "uint16",
        "dictionary<values=int32, indices=int32, ordered=0>" if format_ == "arrow" else "int32",
    ]
    if format_ == "parquet":  # pyarrow reads a dictionary of numbers as numbers; in the file it is one
        column = parquet.ParquetFile(io.BytesIO(answer.content)).metadata.row_group(0).column(len(table.schema) - 1)
        assert (column.path_in_schema, "RLE_DICTIONARY" in column.encodings) == ("segment", True)
    assert table.column("origin").unique().to_pylist() == ["live"]


@pytest.mark.parametrize("format_", ["arrow", "parquet"])
async def test_a_value_that_is_none_is_null_and_no_number(lab: Floor, format_: str) -> None:
    lab.store(SPEED, [Row(time=EIGHT, status=-0x8000, origin=1), Row(time=Instant(EIGHT + SECOND), value=2.5)])
    answer = await ask(lab, "sme-a", format_, stream=[SPEED, STATE])
    table = pa.ipc.open_stream(answer.content).read_all() if format_ == "arrow" else _parquet(answer)
    assert table.column("value").to_pylist() == [None, 2.5] + [None] * 360
    assert table.column("text").to_pylist() == [None, None] + ["EXECUTE"] * 360
    assert table.column("status").to_pylist()[:2] == [0x8000, 0]
    assert table.column("origin").to_pylist()[:2] == ["history", "live"]


async def test_row_groups_never_span_two_segments(lab: Floor) -> None:
    answer = await ask(lab, "lab", "parquet", stream=[CURRENT, STATE])
    file = parquet.ParquetFile(io.BytesIO(answer.content))
    segments = [file.read_row_group(n).column("segment").unique().to_pylist() for n in range(file.num_row_groups)]
    assert [len(group) for group in segments] == [1] * len(segments)
    assert len(segments) == 4


async def test_each_format_opens_in_pandas_polars_and_duckdb(lab: Floor, tmp_path: Any) -> None:  # noqa: ANN401
    files = {}
    for format_ in FORMATS[1:]:
        files[format_] = tmp_path / f"measurements.{format_}"
        files[format_].write_bytes((await ask(lab, "sme-a", format_, stream=CURRENT)).content)
    arrow = pa.ipc.open_stream(files["arrow"].read_bytes()).read_all()
    total = sum(arrow.column("value").to_pylist())
    in_pandas = {
        "csv": pd.read_csv(files["csv"], parse_dates=["time"]),
        "parquet": pd.read_parquet(files["parquet"]),
        "arrow": arrow.to_pandas(),
        "ndjson": pd.read_json(files["ndjson"], lines=True).dropna(subset=["time"]),
    }
    in_polars = {
        "csv": pl.read_csv(files["csv"], try_parse_dates=True),
        "parquet": pl.read_parquet(files["parquet"]),
        "arrow": pl.read_ipc_stream(files["arrow"]),
        "ndjson": pl.read_ndjson(files["ndjson"]).drop_nulls("time"),
    }
    with duckdb.connect() as connection:
        in_duckdb = {
            "csv": connection.sql(f"SELECT time, value FROM read_csv('{files['csv']}')").fetchall(),
            "parquet": connection.sql(f"SELECT time, value FROM read_parquet('{files['parquet']}')").fetchall(),
            "arrow": connection.sql("SELECT time, value FROM arrow").fetchall(),
            "ndjson": connection.sql(
                f"SELECT time, value FROM read_json('{files['ndjson']}', format = 'newline_delimited') "
                "WHERE time IS NOT NULL"
            ).fetchall(),
        }
    for format_ in files:
        assert (len(in_pandas[format_]), in_pandas[format_]["value"].sum()) == (361, total), format_
        assert (len(in_polars[format_]), in_polars[format_]["value"].sum()) == (361, total), format_
        assert (len(in_duckdb[format_]), sum(value for _, value in in_duckdb[format_])) == (361, total), format_
        assert pd.to_datetime(in_pandas[format_]["time"]).min() == pd.Timestamp("2026-11-21T08:00:00Z"), format_


@pytest.mark.parametrize("format_", FORMATS)
async def test_nothing_at_all_is_an_answer_too(lab: Floor, format_: str) -> None:
    answer = await ask(lab, "sme-a", format_, stream=SPEED, last="1s")
    assert rows(answer, format_) == []


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
@pytest.mark.parametrize("format_", ["json", "csv", "arrow"])
async def test_an_answer_is_packed_as_asked(quiet_lab: Floor, format_: str, packed: str) -> None:
    await store_many(quiet_lab)
    address = f"/v1/measurements?stream={SPEED}&format={format_}"
    client = quiet_lab["sme-a"]
    plain = await client.get(address, headers={"Accept-Encoding": "identity"})
    request = client.build_request("GET", address, headers={"Accept-Encoding": packed})
    answer = await client.send(request, stream=True)
    raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == packed
    assert "Accept-Encoding" in answer.headers["vary"]
    unpacked = (
        zlib.decompress(raw, 31) if packed == "gzip" else zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    )
    assert len(raw) < len(plain.content) / 2
    if format_ == "csv":
        assert unpacked == plain.content


async def test_parquet_is_not_packed_twice(lab: Floor) -> None:
    answer = await lab["sme-a"].get(f"/v1/measurements?stream={CURRENT}&format=parquet")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("format_", FORMATS)
async def test_head_gives_the_headers_alone(quiet_lab: Floor, format_: str) -> None:
    await store_many(quiet_lab)
    address = f"/v1/measurements?stream={SPEED}&format={format_}"
    head, get = await quiet_lab["sme-a"].head(address), await quiet_lab["sme-a"].get(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["link"] == get.headers["link"]
