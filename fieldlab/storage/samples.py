"""Samples as they are: the first batch within the decision's transaction, the rest in short ones that decide again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.instant import Instant
from fieldlab.storage.again import confirm, ended, in_bound, stretches
from fieldlab.storage.columns import Packed, ints, sample_batch
from fieldlab.storage.deciding import Decided, borrowed
from fieldlab.storage.pool import Pool

BATCH: Final = 65_536
"""Rows of a batch: enough that each costs little to ask for, few enough to keep many readers in little memory."""

_SAMPLES: Final = """
    SELECT * FROM visible.packed_samples(%(numbers)s, %(streams)s, %(starts)s, %(untils)s, CAST(%(under)s AS uuid[]),
                                         %(good_only)s, %(with_text)s, %(at_most)s)
"""
"""The samples of stretches in their order, packed in columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How samples are wanted: with their texts where a stream has any, of good status alone."""

    with_text: bool
    good_only: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A batch, and what is left of the segments after it; whoever asked for fewer rows than there are goes on there."""

    rows: pa.RecordBatch
    left: tuple[Segment, ...]


async def first(decided: Decided, segments: Sequence[Segment], wish: Wish, *, at_most: int) -> Part:
    """Read the first batch, at most so many rows, and end the decision's transaction."""
    readable = tuple(segment for segment in segments if segment.basis.shape.resolution_floor is None)
    if not readable:
        await decided.close()
        return Part(rows=sample_batch((), with_text=wish.with_text), left=())
    found = await decided.read(_SAMPLES, _parameters(readable, wish, at_most))
    return _part([_packed(row) for row in found if row[1]], readable, wish, at_most)


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplesLeft:
    """The samples after the first batch of an answer; see `fieldlab.storage.selection.Rest`."""

    scope: ReadScope
    pool: Pool
    entry: UUID | None
    segments: tuple[Segment, ...]
    left: tuple[Segment, ...]
    wish: Wish

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Give the batches; raises RightEnded."""
        left = self.left
        while left:
            part = await self._next(left)
            left = part.left
            if part.rows.num_rows:
                yield part.rows

    async def confirm(self, batch: pa.RecordBatch) -> None:
        """Raise RightEnded unless the reader still has its right to every segment of a batch."""
        numbers = np.unique(ints(batch, "segment")).tolist()
        await confirm(self.scope, self.pool, [self.segments[number] for number in numbers])

    async def _next(self, left: tuple[Segment, ...]) -> Part:
        asked = _parameters(left, self.wish, BATCH)
        async with borrowed(self.pool) as connection:
            found = await in_bound(self.scope, connection, _SAMPLES, asked, entry=self.entry)
            for number, held, *_ in found:
                if not held:
                    raise await ended(self.scope, connection, next(one for one in left if one.number == number))
        return _part([_packed(row) for row in found], left, self.wish, BATCH)


def _parameters(segments: Sequence[Segment], wish: Wish, at_most: int) -> dict[str, object]:
    return {
        **stretches(segments),
        "good_only": wish.good_only,
        "with_text": wish.with_text,
        "at_most": at_most,
    }


def _packed(row: tuple[Any, ...]) -> Packed:
    number, _, samples, times, readings, marks, texts = row
    return Packed(segment=number, samples=samples, times=times, readings=readings, marks=marks, texts=texts)


def _part(found: Sequence[Packed], asked: tuple[Segment, ...], wish: Wish, at_most: int) -> Part:
    rows = sample_batch(found, with_text=wish.with_text)
    if rows.num_rows < at_most:
        return Part(rows=rows, left=())
    place = next(place for place, segment in enumerate(asked) if segment.number == found[-1].segment)
    segment = asked[place]
    after = Instant(ints(rows, "time")[-1] + 1)
    begun = (
        (replace(segment, interval=Interval(start=after, until=segment.interval.until)),)
        if after < segment.interval.until
        else ()
    )
    return Part(rows=rows, left=begun + asked[place + 1 :])
