"""Batches of the gateway, and all of their writing that can be computed before the database is asked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason
from fieldlab.storage.account import AccountEntry, Fate, Fates, Refusal, account_of
from fieldlab.storage.arrival import Stretches, announcement, stretches
from fieldlab.storage.encode import encode
from fieldlab.storage.rows import Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamGap:
    """A known hole in one stream: samples measured in `[start, until)` may be missing.

    With `recovered` it was told before and is closed: so many samples were fetched for it. `heard` is when the last
    sample that came before it was measured, where that is known.
    """

    stream: int
    start: Instant
    until: Instant
    cause: Cause
    recovered: int | None = None
    heard: Instant | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """What of one source still waits in a spool: how many samples and rejects, and since when the oldest."""

    source: int
    samples: int
    oldest: Instant | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one transaction writes: the records `first` to `last` of a spool."""

    first: int
    last: int
    rows: Rows
    received_at: Instant
    refusals: tuple[Refusal, ...] = ()
    gaps: tuple[StreamGap, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A batch with all that can be computed before the database is asked: made for the case that all its rows are new.

    `order` are the positions of all rows in the order of the key, `left` those to be stored, in the same order; the
    fates of the others are in `fates`. `refusals` are the batch's and those of rows in conflict with each other.
    """

    batch: Batch
    order: NDArray[np.int64]
    left: NDArray[np.int64]
    fates: Fates
    refusals: tuple[Refusal, ...]
    encoded: bytes
    with_text: bool
    entry: AccountEntry
    announced: str | None
    arrived: Stretches


def plan(batch: Batch) -> Plan:
    """Plan the writing of a batch."""
    rows = batch.rows
    fates = np.zeros(len(rows), np.int8)
    order = np.lexsort((rows.times, rows.streams))
    left = _first_of_each_key(rows, order, fates)
    encoded, with_text = encode(rows.take(left))
    return Plan(
        batch=batch,
        order=order,
        left=left,
        fates=fates,
        refusals=(*batch.refusals, *refusals_of(batch, fates, {})),
        encoded=encoded,
        with_text=with_text,
        entry=account_of(rows, order, fates, batch.refusals),
        announced=announcement(fates),
        arrived=stretches(rows, left),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a batch, row by row; each fate is one of `Fate`."""

    fates: Fates

    def count(self, fate: Fate) -> int:
        """Count the rows that met this fate."""
        return int(np.count_nonzero(self.fates == fate))


def refusals_of(batch: Batch, fates: Fates, refused: dict[int, str]) -> list[Refusal]:
    """Turn rows in conflict and rows that the database refuses into rejects, one for an address and a detail."""
    groups: dict[tuple[int, Reason, str], list[int]] = {}
    for at in np.flatnonzero(fates >= Fate.CONFLICT).tolist():
        if at in refused:
            reason, detail = Reason.REFUSED_BY_DATABASE, f"The database refuses this row: {refused[at]}."
        else:
            reason = Reason.CONFLICT
            detail = "Another value is stored for this stream and time, and stays; send one value for each time."
        groups.setdefault((int(batch.rows.places[at]), reason, detail), []).append(at)
    rows = batch.rows
    return [
        Refusal(
            source=rows.source(positions[0]),
            stream=int(rows.streams[positions[0]]),
            reject=rows.reject(positions, reason=reason, detail=detail, received_at=batch.received_at),
        )
        for (_, reason, detail), positions in groups.items()
    ]


def _first_of_each_key(rows: Rows, order: NDArray[np.int64], fates: Fates) -> NDArray[np.int64]:
    """Give, in the order of the key, the positions of the rows to store: of rows with one key the first to arrive.

    The fates of the others are noted.
    """
    streams, times = rows.streams[order], rows.times[order]
    again = np.zeros(len(order), np.bool_)
    np.logical_and(streams[1:] == streams[:-1], times[1:] == times[:-1], out=again[1:])
    if not again.any():
        return order
    first = 0
    for at, position in enumerate(order.tolist()):
        if again[at]:
            fates[position] = Fate.DUPLICATE if _same(rows, first, position) else Fate.CONFLICT
        else:
            first = position
    return order[~again]


def _same(rows: Rows, one: int, other: int) -> bool:
    left, right = rows.value(one), rows.value(other)
    return rows.statuses[one] == rows.statuses[other] and (left == right or (left != left and right != right))  # noqa: PLR0124 - NaN
