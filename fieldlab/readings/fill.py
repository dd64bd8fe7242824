"""Filling empty buckets from their neighbours, never from another segment's. Pure, on whole columns."""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.aggregate import Aggregate

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Times = NDArray[np.int64]


class Fill(StrEnum):
    """What stands for a bucket without samples: no row, nulls, the value before, or one between its neighbours."""

    NONE = "none"
    NULL = "null"
    PREVIOUS = "previous"
    LINEAR = "linear"


FILLED: Final = frozenset(Aggregate) - {
    Aggregate.COUNT,
    Aggregate.SUM,
    Aggregate.STDDEV,
    Aggregate.RATE,
    Aggregate.DELTA,
}
"""The aggregates that are a value of the stream; of the others an empty bucket has none, and its count is 0."""


def fill_in(
    fill: Fill, segments: NDArray[np.int32], times: Times, values: Numbers, known: Mask
) -> tuple[Numbers, Mask]:
    """Fill the values that are not known from the nearest known ones of the same segment.

    Rows come by segment and time. Gives the values, and which of them are known now; nothing is extrapolated.
    """
    if fill in {Fill.NONE, Fill.NULL} or not len(values):
        return values, known
    filled, now_known = values.copy(), known.copy()
    cuts = np.flatnonzero(np.diff(segments)) + 1
    for part in np.split(np.arange(len(values)), cuts):
        have = part[known[part]]
        if not len(have):
            continue
        after = np.searchsorted(have, part)
        missing = ~known[part] & (after > 0)
        if fill is Fill.LINEAR:
            missing &= after < len(have)
        holes = part[missing]
        if fill is Fill.PREVIOUS:
            filled[holes] = values[have[after[missing] - 1]]
        else:
            left, right = have[after[missing] - 1], have[after[missing]]
            share = (times[holes] - times[left]) / (times[right] - times[left])
            filled[holes] = values[left] + share * (values[right] - values[left])
        now_known[holes] = True
    return filled, now_known
