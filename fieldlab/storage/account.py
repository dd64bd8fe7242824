"""What a batch did, counted by source, stream and hour: the entries of the accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.instant import MINUTE
from fieldlab.readings.reject import Reject
from fieldlab.storage.rows import Int32, Int64, Rows

Fates = NDArray[np.int8]

HOUR: Final = 60 * MINUTE
NO_STREAM: Final = 0


class Fate(IntEnum):
    """What became of a row."""

    STORED = 0
    DUPLICATE = 1
    CONFLICT = 2
    REFUSED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A reject, the source that it came from, and the stream that it was meant for, if that is known."""

    source: int
    reject: Reject
    stream: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountEntry:
    """Columns of equal length, one entry a source, stream (`NO_STREAM` for none) and hour since the Unix epoch.

    A source, stream and hour may stand there more than once: the counts are to be added.
    """

    sources: Int32
    streams: Int32
    hours: Int32
    stored: Int32
    duplicates: Int32
    rejected: Int32


def account_of(rows: Rows, order: Int64, fates: Fates, refusals: Sequence[Refusal]) -> AccountEntry:
    """Count the fates of rows, whose positions are given in the order of their key, and of refusals.

    Rows count in the hour in which they were measured, refusals in that of their receipt.
    """
    streams, hours = rows.streams[order], (rows.times[order] // HOUR).astype(np.int32)
    sources = rows.sources[order]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (streams[1:] != streams[:-1]) | (hours[1:] != hours[:-1]) | (sources[1:] != sources[:-1])
    starts = np.flatnonzero(fresh)
    met = fates[order]
    extra = [
        (one.source, one.stream or NO_STREAM, one.reject.received_at // HOUR, one.reject.samples) for one in refusals
    ]
    more = np.array(extra, np.int32).reshape(-1, 4)
    none = np.zeros(len(more), np.int32)
    return AccountEntry(
        sources=np.concatenate([sources[starts], more[:, 0]]),
        streams=np.concatenate([streams[starts], more[:, 1]]),
        hours=np.concatenate([hours[starts], more[:, 2]]),
        stored=np.concatenate([_counted(met == Fate.STORED, starts), none]),
        duplicates=np.concatenate([_counted(met == Fate.DUPLICATE, starts), none]),
        rejected=np.concatenate([_counted(met >= Fate.CONFLICT, starts), more[:, 3]]),
    )


def _counted(which: NDArray[np.bool_], starts: Int64) -> Int32:
    return np.add.reduceat(which, starts, dtype=np.int32) if len(starts) else np.empty(0, np.int32)
