"""Columns of a page, cut into pieces and ready to be written in any format."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fieldlab.storage.selection import Answer, BucketRows, Int64, SampleRows

PIECE: Final = 5_000
"""Rows written in one go, so that a long page keeps neither the loop nor much memory busy."""

Column = Sequence[str | float | int | bool | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A piece of a page: `times` as RFC 3339, the columns between time and segment by name, and the segments."""

    times: list[str]
    columns: dict[str, Column]
    segments: list[int]


def names(rows: SampleRows | BucketRows) -> list[str]:
    """Give the names of the columns between stream and segment."""
    return list(_columns(rows))


def pieces(answer: Answer) -> Iterator[Piece]:
    """Cut the rows of a page into pieces; none for a page without rows."""
    columns = _columns(answer.rows)
    for start in range(0, len(answer.rows), PIECE):
        cut = slice(start, start + PIECE)
        yield Piece(
            times=rfc3339(answer.rows.times[cut]),
            columns={name: column[cut] for name, column in columns.items()},
            segments=answer.rows.segments[cut],
        )


def rfc3339(times: Int64) -> list[str]:
    """Write microseconds since the Unix epoch as RFC 3339 in UTC with six digits."""
    written: list[str] = np.datetime_as_string(times.view("datetime64[us]"), unit="us", timezone="UTC").tolist()
    return written


def _columns(rows: SampleRows | BucketRows) -> dict[str, Column]:
    if isinstance(rows, SampleRows):
        return {"value": rows.values, "status": rows.statuses}
    return {**{aggregate.value: column for aggregate, column in rows.aggregates.items()}, "partial": rows.partial}
