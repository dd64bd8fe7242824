"""Empty buckets are filled from the nearest ones of the same segment, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.readings.fill import Fill, fill_in

ROWS = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=1, max_size=30).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


def filled(fill: Fill, rows: list[tuple[int, float | None]]) -> list[float | None]:
    segments = np.array([segment for segment, _ in rows], dtype=np.int32)
    times = np.arange(len(rows), dtype=np.int64) * 60
    known = np.array([value is not None for _, value in rows])
    values = np.array([np.nan if value is None else value for _, value in rows], dtype=np.float64)
    made, now_known = fill_in(fill, segments, times, values, known)
    return [value if there else None for value, there in zip(made.tolist(), now_known.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("fill", "wanted"),
    [
        (Fill.NULL, [None, 1.0, None, None, 4.0, None, None, 7.0]),
        (Fill.PREVIOUS, [None, 1.0, 1.0, 1.0, 4.0, 4.0, None, 7.0]),
        (Fill.LINEAR, [None, 1.0, 2.0, 3.0, 4.0, None, None, 7.0]),
    ],
)
def test_what_each_way_of_filling_gives(fill: Fill, wanted: list[float | None]) -> None:
    rows = [(0, None), (0, 1.0), (0, None), (0, None), (0, 4.0), (0, None), (1, None), (1, 7.0)]
    assert filled(fill, rows) == wanted


@given(rows=ROWS, fill=st.sampled_from(Fill))
def test_no_value_crosses_into_another_segment(rows: list[tuple[int, float | None]], fill: Fill) -> None:
    whole = filled(fill, rows)
    alone = [value for segment in range(4) for value in filled_of(fill, rows, segment)]
    assert whole == alone


def filled_of(fill: Fill, rows: list[tuple[int, float | None]], segment: int) -> list[float | None]:
    own = [row for row in rows if row[0] == segment]
    return filled(fill, own) if own else []


@given(rows=ROWS, fill=st.sampled_from(Fill))
def test_what_is_known_stays_as_it_is(rows: list[tuple[int, float | None]], fill: Fill) -> None:
    for (_, value), made in zip(rows, filled(fill, rows), strict=True):
        assert value is None or made == value
