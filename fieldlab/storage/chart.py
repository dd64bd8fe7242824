"""Charts: at most so many points a stream, chosen so that the line looks the same (largest triangle, three buckets)."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tsdownsample.downsamplers import LTTBDownsampler

from fieldlab.assets.asset import Kind
from fieldlab.errors import InvalidInput
from fieldlab.ownership.segment import Segment
from fieldlab.storage.columns import TIME, instants
from fieldlab.storage.deciding import Decided
from fieldlab.storage.selection import Selection, StatusFilter

FEWEST: Final = 3
"""Points of a stretch below which no choice is left: both ends and one between."""

_CHART: Final = """
    SELECT number, allotted, time, value, origins
    FROM visible.chart(%(numbers)s, %(streams)s, %(tenures)s, %(starts)s, %(untils)s, %(points)s, %(good_only)s,
                       %(under)s, %(rolled)s)
"""
"""What the points are chosen from: few samples as they are, or the peaks of many bins."""


async def chart(decided: Decided, selection: Selection, points: int) -> pa.RecordBatch:
    """Read the points of a chart of the decided segments, and end the decision's transaction.

    Text has no points. Raises InvalidInput where there is nothing else, or a stream has too many segments for so few
    points.
    """
    if all(stream.kind is Kind.TEXT for stream in decided.streams):
        raise InvalidInput("points draws numbers, and what is asked for is text; leave points out.")
    segments = decided.segments
    under = [segment.basis.agreement for segment in segments]
    asked = {
        "numbers": [segment.number for segment in segments],
        "streams": [segment.stream for segment in segments],
        "tenures": [segment.tenure for segment in segments],
        "starts": [segment.interval.start for segment in segments],
        "untils": [segment.interval.until for segment in segments],
        "points": points,
        "good_only": selection.status is StatusFilter.GOOD,
        "under": under if any(under) else None,
        "rolled": selection.rolled,
    }
    found = await decided.read(_CHART, asked)
    if any(allotted == 0 for _, allotted, *_ in found):
        raise InvalidInput(_too_few(found, segments, points))
    return _batch(found)


def thinned(times: NDArray[np.int64], values: NDArray[np.float64], points: int) -> NDArray[np.intp]:
    """Choose at most so many of a line's points, first and last among them; gives their positions."""
    if len(times) <= points:
        return np.arange(len(times))
    chosen: NDArray[np.intp] = LTTBDownsampler().downsample(times, values, n_out=points).astype(np.intp)
    return chosen


def _batch(found: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    numbers, allotted, times, values, origins = zip(*found, strict=True) if found else ((),) * 5
    number, share = np.array(numbers, dtype=np.int32), np.array(allotted, dtype=np.int64)
    time, value = instants(times), np.array(values, dtype=np.float64)
    parts = np.split(np.arange(len(found)), np.flatnonzero(np.diff(number)) + 1)
    chosen = [part[thinned(time[part], value[part], int(share[part[0]]))] for part in parts if len(part)]
    kept = np.concatenate(chosen) if chosen else np.arange(0)
    return pa.RecordBatch.from_pydict(
        {
            "time": pa.array(time[kept], pa.int64()).cast(TIME),
            "value": pa.array(value[kept]),
            "origins": pa.array(np.array(origins, dtype=np.int32)[kept]),
            "segment": pa.array(number[kept]),
        }
    )


def _too_few(found: Sequence[tuple[Any, ...]], segments: Sequence[Segment], points: int) -> str:
    streams = [segment.stream for segment in segments if segment.number in {row[0] for row in found if row[1] == 0}]
    most = max(streams.count(stream) for stream in streams)
    return (
        f"points={points} is too few: a stream here has {most} stretches, and each needs {FEWEST} points; ask for "
        f"points={FEWEST * most} or more, or for less time."
    )
