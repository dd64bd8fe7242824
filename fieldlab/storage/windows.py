"""Reading stretch of time by stretch of time, all streams of each together: what a table with one time axis is made of.

The rows of a batch are complete for its stretch, and come by stream and time as everywhere.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fieldlab.errors import InvalidInterval
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.calendar import Calendar, Step
from fieldlab.readings.instant import FOREVER, NEVER, Instant
from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Rest

MOST: Final = 100_000
"""Values of a stretch, at most; one with more is cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Rows of one stretch of time, what is left after it, and how long the next one may be (None for all of it)."""

    rows: pa.RecordBatch
    left: tuple[Segment, ...]
    length: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """Reads segments in stretches of time; `rest` reads any pieces of them whole, in batches, and checks the right."""

    rest: Callable[[tuple[Segment, ...]], Rest]
    empty: pa.RecordBatch
    step: Step | None

    async def read(self, left: Sequence[Segment], length: int | None = None) -> Stretch:
        """Read the first stretch of what is left that has few enough values.

        Raises InvalidInterval where it is long and has no beginning.
        """
        begin = min((segment.interval.start for segment in left), default=NEVER)
        finish = max((segment.interval.until for segment in left), default=FOREVER)
        while True:
            until = finish if length is None or not begin.finite else self._edge(begin, length, finish)
            pieces = within(left, Interval(start=begin, until=until)) if left else ()
            rows, whole = await self._gather(pieces)
            if whole or (until < finish and self._shortest(begin, until)):
                following = within(left, Interval(start=until, until=finish)) if until < finish else ()
                longer = None if length is None else length * 2 if len(rows) < MOST // 4 else length
                return Stretch(rows=rows, left=following, length=longer)
            if not begin.finite:
                raise InvalidInterval(
                    "layout=wide over so many values needs to know where to begin; give from, or last."
                )
            length = self._shorter(rows, begin, until, pieces)

    async def _gather(self, pieces: tuple[Segment, ...]) -> tuple[pa.RecordBatch, bool]:
        batches: list[pa.RecordBatch] = [self.empty]
        values = 0
        if pieces:
            async for batch in self.rest(pieces):
                batches.append(batch)
                values += len(batch)
                if values > MOST:
                    return _joined(batches), False
        return _joined(batches), True

    def _edge(self, begin: Instant, length: int, finish: Instant) -> Instant:
        """Give the end of a stretch: a bound of buckets, so that none is cut."""
        until = Instant(min(begin + length, finish))
        match self.step:
            case None:
                return until
            case Calendar():
                return min(self.step.after(Instant(until - 1)), finish)
            case width:
                return Instant(min(-(-until // width) * width, finish))

    def _shortest(self, begin: Instant, until: Instant) -> bool:
        return until <= (Instant(begin + 1) if self.step is None else self._edge(begin, 1, FOREVER))

    def _shorter(self, rows: pa.RecordBatch, begin: Instant, until: Instant, pieces: Sequence[Segment]) -> int:
        """Guess from the first stream's rows how long a stretch holds half of what there is room for."""
        times, numbers = ints(rows, "time"), ints(rows, "segment")
        first = times[numbers == numbers[0]]
        streams = len({segment.stream for segment in pieces})
        apart = max(1, int(first[-1] - begin) // len(first))
        guessed = apart * MOST // (2 * streams)
        longest = (until - begin) // 2 if until.finite else guessed
        return max(1, min(guessed, longest))


def within(segments: Sequence[Segment], interval: Interval) -> tuple[Segment, ...]:
    """Give the parts of segments that lie within an interval."""
    parts = ((segment, segment.interval.clipped(interval)) for segment in segments)
    return tuple(replace(segment, interval=part) for segment, part in parts if part is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowsLeft:
    """The stretches after the first; see `fieldlab.storage.selection.Rest`."""

    windows: Windows
    stretch: Stretch

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Give the batches; raises RightEnded."""
        stretch = self.stretch
        while stretch.left:
            stretch = await self.windows.read(stretch.left, stretch.length)
            if len(stretch.rows):
                yield stretch.rows

    async def confirm(self, batch: pa.RecordBatch) -> None:
        """Raise RightEnded unless the reader still has its right to every segment of a batch."""
        await self.windows.rest(()).confirm(batch)


def axis(rows: pa.RecordBatch, stream_of: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the times of one axis, ascending, and for each row its place there.

    A time stands there more than once where a stream has several rows with it: parts of a bucket that was cut.
    """
    times = ints(rows, "time")
    if not len(times):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    streams = stream_of[ints(rows, "segment")]
    order = np.lexsort((np.arange(len(times)), streams, times))
    again = np.zeros(len(times), dtype=np.int64)
    begins = np.ones(len(times), dtype=np.bool_)
    begins[1:] = (np.diff(times[order]) != 0) | (np.diff(streams[order]) != 0)
    starts = np.flatnonzero(begins)
    again[order] = np.arange(len(times)) - np.repeat(starts, np.diff(np.append(starts, len(times))))
    pairs, places = np.unique(np.stack([times, again]), axis=1, return_inverse=True)
    return pairs[0], places.reshape(-1)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).combine_chunks()
    whole: list[pa.RecordBatch] = table.to_batches()
    return whole[0] if whole else batches[0]
