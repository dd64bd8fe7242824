"""What a reader asks for, and what comes back: values between the query service and the reads."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fieldlab.assets.asset import Stream
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Step
from fieldlab.readings.instant import Instant

Int64 = NDArray[np.int64]


class StatusFilter(StrEnum):
    """Which samples are wanted: all, or those of good status only."""

    ALL = "all"
    GOOD = "good"


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamsOf:
    """All streams of one asset that the reader may see."""

    asset: str


Wanted = tuple[str, ...] | StreamsOf
"""Which streams are asked for: ids and references like `mill-1.spindle_current`, or all of an asset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Last:
    """The time before the answer, by the database's clock; in microseconds."""

    duration: int

    def before(self, moment: Instant) -> Interval:
        """Give the interval that ends at a moment."""
        return Interval(start=Instant(moment - self.duration), until=moment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a page ended: the next one begins after this time of this stream (its public id).

    For a bucket that is its start, or the start of its segment if that is later.
    """

    stream: UUID
    time: Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Streams over `[start, until)`, at most `limit` rows a page.

    With `step` the answer has buckets, on the grid of the Unix epoch or of the calendar. `ask` says on what
    ground, for what and in which format. With `preview` an owner sees what that agreement opens, and only that.
    """

    streams: Wanted
    interval: Interval | Last
    limit: int
    status: StatusFilter = StatusFilter.ALL
    step: Step | None = None
    aggregates: tuple[Aggregate, ...] = ()
    after: Position | None = None
    ask: Ask = NOTHING_SAID
    preview: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleRows:
    """Readable samples in columns of equal length, by stream and time.

    `times` are microseconds since the Unix epoch, `statuses` the upper halves of StatusCodes (0…65535), `segments` the
    numbers of the rows' segments.
    """

    times: Int64
    values: list[float | str | None]
    statuses: list[int]
    segments: list[int]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BucketRows:
    """Buckets in columns of equal length, by stream, segment and time; a bucket without a sample is absent.

    `times` are their starts, `aggregates` one column for each that was asked, with None where an agreement does not
    allow it. `partial` tells that a hand-over or an end of the asked range cuts the bucket.
    """

    times: Int64
    aggregates: dict[Aggregate, list[float | int | None]]
    partial: list[bool]
    segments: list[int]

    def __len__(self) -> int:
        return len(self.segments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One page: the streams, the segments the decision gave, their rows, and where to go on.

    `interval` is the one decided on, also where the last minutes were asked for.
    """

    decided_at: Instant
    interval: Interval
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    rows: SampleRows | BucketRows
    next: Position | None = None
