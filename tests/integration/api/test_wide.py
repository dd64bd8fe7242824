"""On one time axis no value loses its owner: in every format it stands beside the value, or where its segment leads."""

import io
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, Floor, Row, hand_over
from tests.integration.api.test_agreements import agree

ASKED: dict[str, Any] = {"stream": [CURRENT, JOINT], "from": str(EIGHT), "until": str(NINE), "layout": "wide"}
FRAME = {"time", *(f"{name}{part}" for name in (CURRENT, JOINT) for part in ("", ".owner", ".segment"))}


@pytest.fixture
async def shared(lab: Floor) -> Floor:
    """The researcher reads the mill by agreement and the robot, which is its own, at every other moment."""
    await agree(lab)
    lab.store(JOINT, (Row(time=Instant(EIGHT + n * 20 * SECOND), value=float(n)) for n in range(180)))
    return lab


async def fetched(lab: Floor, format_: str, **asked: str) -> bytes:
    answer = await lab["researcher"].get("/v1/measurements", params={**ASKED, "format": format_, **asked})
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_a_csv_names_the_owner_of_each_value(shared: Floor) -> None:
    frame = pd.read_csv(io.BytesIO(await fetched(shared, "csv")), parse_dates=["time"])
    assert set(frame) == FRAME
    assert frame[f"{CURRENT}.owner"].dropna().unique().tolist() == ["sme-a"]
    assert frame[f"{JOINT}.owner"].dropna().unique().tolist() == ["researcher"]
    for name in (CURRENT, JOINT):
        assert frame[f"{name}.owner"].isna().equals(frame[name].isna())
    assert frame[JOINT].notna().sum() == 180


@pytest.mark.parametrize("format_", ["arrow", "parquet"])
async def test_typed_formats_have_owners_as_dictionaries_and_units_at_the_columns(shared: Floor, format_: str) -> None:
    content = await fetched(shared, format_)
    table = pa.ipc.open_stream(content).read_all() if format_ == "arrow" else parquet.read_table(io.BytesIO(content))
    assert set(table.column_names) == FRAME
    assert table.schema.field(f"{JOINT}.owner").type == pa.dictionary(pa.int32(), pa.string())
    assert table.schema.field(CURRENT).metadata[b"unit"] == b"A"
    assert table.schema.field(JOINT).metadata[b"unit"] == b"deg"
    frame = table.to_pandas()
    assert frame[f"{CURRENT}.owner"].dropna().unique().tolist() == ["sme-a"]
    of_polars = pl.from_arrow(table)
    assert isinstance(of_polars, pl.DataFrame)
    assert of_polars[f"{JOINT}.owner"].drop_nulls().unique().to_list() == ["researcher"]


async def test_duckdb_groups_by_owner(shared: Floor) -> None:
    table = parquet.read_table(io.BytesIO(await fetched(shared, "parquet")))
    with duckdb.connect() as database:
        database.register("answer", table)
        counted = database.sql(f'SELECT "{JOINT}.owner", count("{JOINT}") FROM answer GROUP BY 1 ORDER BY 2').fetchall()
    assert counted == [(None, 0), ("researcher", 180)]


async def test_in_json_the_number_leads_to_the_segment(shared: Floor) -> None:
    answer = await shared["researcher"].get("/v1/measurements", params={**ASKED, "step": "30m", "fill": "null"})
    body = answer.json()
    owners = {segment["segment"]: segment["owner"] for segment in body["segments"]}
    named = [dict(zip(body["columns"], row, strict=True)) for row in body["rows"]]
    assert {(owners[row[f"{CURRENT}.segment"]], owners[row[f"{JOINT}.segment"]]) for row in named} == {
        ("sme-a", "researcher")
    }


async def test_no_row_group_spans_two_segments_whatever_streams_are_called(quiet_lab: Floor) -> None:
    quiet_lab.execute(
        "INSERT INTO fieldlab.stream (asset_id, name, kind, unit) SELECT id, 'segment', 'text', '1'"
        " FROM fieldlab.asset WHERE slug = 'mill-1'"
    )
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, NINE)
    every = range(EIGHT - 5 * MINUTE, EIGHT + 5 * MINUTE, 10 * SECOND)
    quiet_lab.store("mill-1.segment", (Row(time=Instant(time), text=f"part {time}") for time in every))
    await hand_over(quiet_lab, "mill-1", "lab", NINE, Instant(NINE + MINUTE))
    quiet_lab.store("mill-1.segment", [Row(time=Instant(NINE + SECOND), text="last")])
    asked = {"stream": "mill-1.segment", "layout": "wide", "format": "parquet"}
    answer = await quiet_lab["lab"].get("/v1/measurements", params=asked)
    file = parquet.ParquetFile(io.BytesIO(answer.content))
    assert file.schema_arrow.names == ["time", "mill-1.segment", "mill-1.segment.owner", "mill-1.segment.segment"]
    groups = [
        file.read_row_group(number)["mill-1.segment.segment"].to_pylist() for number in range(file.num_row_groups)
    ]
    assert [len(group) for group in groups] == [30, 1]
    assert [set(group) for group in groups] == [{0}, {1}]
