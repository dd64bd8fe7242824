"""Whatever the rows are, every format gives them back as they are, however they were cut into batches."""

import csv
import io
import json
import math
from itertools import pairwise
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from api.answers.as_csv import guarded
from api.answers.encoder import Ending
from api.answers.media import Format, Medium
from api.answers.response import encoder_of
from fieldlab.assets.asset import Kind, Nature, Stream
from fieldlab.ownership.interval import ALWAYS
from fieldlab.ownership.segment import Basis, BasisKind, Segment
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage.columns import sample_schema
from fieldlab.storage.selection import Answer

YEARS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
SEGMENTS = 3
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of samples in the order of their segments: numbers, texts, or neither."""
    count = draw(st.integers(0, 12))
    numbers = sorted(draw(st.lists(st.integers(0, SEGMENTS - 1), min_size=count, max_size=count)))
    value = st.one_of(st.none(), st.floats(), TEXTS)
    made = []
    for number in numbers:
        given_ = draw(value)
        made.append(
            {
                "time": draw(YEARS),
                "value": None if isinstance(given_, str) else given_,
                "text": given_ if isinstance(given_, str) else None,
                "status": draw(st.integers(0, 0xFFFF)),
                "origin": draw(st.sampled_from(list(Origin))),
                "segment": number,
            }
        )
    return made


def written(samples: list[dict[str, Any]], cuts: list[int], format_: Format) -> bytes:
    """The whole answer in a format, written in batches that are cut there."""
    schema = sample_schema(with_text=True)
    columns = [[row[name] for row in samples] for name in schema.names]
    arrays = [pa.array(column, pa.int64()).cast(field.type) if field.name == "time" else pa.array(column, field.type)
              for column, field in zip(columns, schema, strict=True)]  # fmt: skip
    whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
    streams = tuple(
        Stream(
            key=key, id=UUID(int=key), asset="mill-1", name=f"s{key}", kind=Kind.TEXT, unit='1"', quantity="q",
            description="", nature=Nature.SIMULATED,
        )
        for key in range(SEGMENTS)
    )  # fmt: skip
    segments = tuple(
        Segment(
            number=number, stream=number, interval=ALWAYS, tenure=number, owner=f"sme-{number % 2}", trial=None,
            basis=Basis(kind=BasisKind.OWN),
        )
        for number in range(SEGMENTS)
    )  # fmt: skip
    answer = Answer(decided_at=Instant(0), interval=ALWAYS, streams=streams, segments=segments, rows=whole)
    encoder = encoder_of(answer, Medium(format=format_), None)
    bounds = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    parts = [encoder.begin()]
    parts += [encoder.rows(whole[start:until]) for start, until in pairwise(bounds)]
    return b"".join([*parts, encoder.end(Ending(rows=len(samples), origins={}))])


def finite(number: Any) -> Any:  # noqa: ANN401
    """A number as JSON has it."""
    return number if not isinstance(number, float) or math.isfinite(number) else None


def same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two values are the same, where NaN is NaN."""
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or one == other


@settings(deadline=None)
@given(samples=rows(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_json_and_ndjson_give_back_what_was_measured(samples: list[dict[str, Any]], cuts: list[int]) -> None:
    expected = [
        [str(Instant(row["time"])), row["text"] if row["text"] is not None else finite(row["value"]), row["status"],
         row["segment"]]
        for row in samples
    ]  # fmt: skip
    document = json.loads(written(samples, cuts, Format.JSON))
    assert [[row[0], *row[2:]] for row in document["rows"]] == expected
    head, *lines, end = map(json.loads, written(samples, cuts, Format.NDJSON).split(b"\n")[:-1])
    assert [[row["time"], row["value"], row["status"], row["segment"]] for row in lines] == expected
    assert len(head["head"]["segments"]) == SEGMENTS
    assert (end["end"]["complete"], end["end"]["rows"]) == (True, len(samples))


@settings(deadline=None)
@given(samples=rows(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_csv_gives_back_what_was_measured(samples: list[dict[str, Any]], cuts: list[int]) -> None:
    text = written(samples, cuts, Format.CSV).decode()
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["time", "asset", "stream", "unit", "value", "status", "owner", "segment"]
    for line, row in zip(lines, samples, strict=True):
        assert line[:4] == [str(Instant(row["time"])), "mill-1", f"s{row['segment']}", '1"']
        assert line[5:] == [str(row["status"]), f"sme-{row['segment'] % 2}", str(row["segment"])]
        if row["text"] is not None:
            assert line[4] == guarded(row["text"])
        elif row["value"] is None:
            assert line[4] == ""
        else:
            assert same(float(line[4]), row["value"])


@pytest.mark.parametrize("format_", [Format.ARROW, Format.PARQUET])
@settings(deadline=None)
@given(samples=rows(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_tables_give_back_what_was_measured(samples: list[dict[str, Any]], cuts: list[int], format_: Format) -> None:
    body = written(samples, cuts, format_)
    table = pa.ipc.open_stream(body).read_all() if format_ is Format.ARROW else parquet.read_table(io.BytesIO(body))
    times = table.column("time").cast(pa.int64()).to_pylist()
    assert times == [row["time"] for row in samples]
    for made, row in zip(table.drop_columns(["time"]).to_pylist(), samples, strict=True):
        assert same(made["value"], row["value"])
        assert (made["text"], made["status"], made["origin"]) == (
            row["text"],
            row["status"],
            row["origin"].name.lower(),
        )
        assert (made["stream"], made["owner"], made["segment"]) == (
            f"mill-1.s{row['segment']}",
            f"sme-{row['segment'] % 2}",
            row["segment"],
        )


@given(samples=rows(), cut=st.integers(1, 400))
@settings(deadline=None)
def test_what_is_cut_off_is_never_taken_for_whole(samples: list[dict[str, Any]], cut: int) -> None:
    body = written(samples, [], Format.JSON)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body[: max(len(body) - cut, 1)].decode(errors="replace"))
    body = written(samples, [], Format.PARQUET)
    with pytest.raises((pa.ArrowInvalid, OSError)):
        parquet.read_table(io.BytesIO(body[: max(len(body) - cut, 1)]))
    assert written(samples, [], Format.ARROW).endswith(END_OF_STREAM)
    *lines, last = written(samples, [], Format.NDJSON).split(b"\n")[:-1]
    assert "end" in json.loads(last)
    assert not any("end" in json.loads(line) for line in lines)
