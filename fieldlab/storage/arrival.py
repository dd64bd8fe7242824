"""What live readers are told of a batch: which streams got rows, and in which stretches of time they lie."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.instant import MINUTE
from fieldlab.storage.account import Fate, Fates
from fieldlab.storage.rows import Int32, Int64, Rows

_APART: Final = MINUTE
"""Rows of a stream that lie further apart belong to stretches of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretches:
    """Stretches of streams, from the first to the last row of each, in columns of equal length."""

    streams: Int32
    starts: Int64
    untils: Int64


def announcement(fates: Fates) -> str | None:
    """Give what is announced of a batch that stored anything: nothing but that, since anybody may listen."""
    return "" if (fates == Fate.STORED).any() else None


def stretches(rows: Rows, positions: NDArray[np.int64]) -> Stretches:
    """Tell in which stretches of which streams rows lie, whose positions are given in the order of the key."""
    streams, times = rows.streams[positions], rows.times[positions]
    fresh = np.ones(len(positions), np.bool_)
    fresh[1:] = (streams[1:] != streams[:-1]) | (times[1:] - times[:-1] > _APART)
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(positions))[: len(starts)] - 1
    return Stretches(streams=streams[starts], starts=times[starts], untils=times[lasts])
