"""What a reader asks for, and what comes back: values between the query service and the reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fieldlab.assets.asset import Stream
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.instant import Instant


class Aggregate(StrEnum):
    """What can be computed over a bucket; over values whose status is not bad."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"


class StatusFilter(StrEnum):
    """Which samples are wanted: all, or those of good status only."""

    ALL = "all"
    GOOD = "good"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a page ended: the next one begins after this time of this stream.

    For a bucket that is its start, or the start of its segment if that is later.
    """

    stream: int
    time: Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Streams (ids, or references like `mill-1.spindle_current`) over `[start, until)`, at most `limit` rows a page.

    With `step` (microseconds, a positive whole number) the answer has buckets on the grid of the Unix epoch.
    """

    streams: tuple[str, ...]
    interval: Interval
    limit: int
    status: StatusFilter = StatusFilter.ALL
    step: int | None = None
    aggregates: tuple[Aggregate, ...] = ()
    after: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One readable sample, and the number of its segment."""

    time: Instant
    stream: int
    value: float | str | None
    status: int
    segment: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """One bucket of one segment: `values` in the order of the asked aggregates.

    `partial` tells that a hand-over or an end of the asked range cuts the bucket.
    """

    time: Instant
    stream: int
    values: tuple[float | int | None, ...]
    partial: bool
    segment: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One page: the streams, the segments the decision gave, rows ordered by stream and time, and where to go on."""

    decided_at: Instant
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    rows: Sequence[Sample] | Sequence[Bucket]
    next: Position | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Newest:
    """The newest readable value of streams; a stream without one has no row."""

    decided_at: Instant
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    rows: tuple[Sample, ...]
