"""Times and texts are written so that whoever opens an answer reads what was measured, and runs nothing."""

import csv
import io

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from api.answers.as_csv import field, guarded
from api.answers.cells import moments
from fieldlab.readings.instant import Instant
from fieldlab.storage.columns import TIME

YEARS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@given(st.lists(YEARS, max_size=20))
def test_columns_of_times_are_written_as_single_times_are(times: list[int]) -> None:
    batch = pa.RecordBatch.from_pydict({"time": pa.array(times, pa.int64()).cast(TIME)})
    assert [f"{text}Z" for text in moments(batch).to_pylist()] == [str(Instant(time)) for time in times]


@given(st.text())
def test_no_text_begins_like_a_formula_and_none_is_lost(text: str) -> None:
    safe = guarded(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe.removeprefix("'") == text.removeprefix("'") or safe == text


@given(st.lists(st.text().map(lambda text: text.replace("\x00", "")), min_size=1, max_size=5))
def test_texts_survive_the_way_through_csv(texts: list[str]) -> None:
    written = ",".join(field(text) or '""' for text in texts) + "\r\n"
    assert next(csv.reader(io.StringIO(written, newline=""), strict=True)) == texts
