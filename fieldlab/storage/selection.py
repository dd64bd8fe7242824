"""What a reader asks for, and what comes back: values between the query service and the reads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from fieldlab.assets.asset import Stream
from fieldlab.ownership.access import NOTHING_SEALED, Access, AccessKind, Checkpoint
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Step
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import Instant


class StatusFilter(StrEnum):
    """Which samples are wanted: all, or those of good status only."""

    ALL = "all"
    GOOD = "good"


class Layout(StrEnum):
    """How rows lie: a value a row, by stream and time; or all streams beside each other on one time axis."""

    LONG = "long"
    WIDE = "wide"


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamsOf:
    """All streams of one asset that the reader may see."""

    asset: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamsOfTrial:
    """All that the reader may see of one trial: its streams, while they belonged to it."""

    trial: str


Wanted = tuple[str, ...] | StreamsOf | StreamsOfTrial
"""Which streams are asked for: ids and references like `mill-1.spindle_current`, or all of an asset or a trial."""


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

    For a bucket that is its start, or the start of its segment if that is later. With one time axis there is no stream.
    """

    stream: UUID | None
    time: Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Streams over `[start, until)`, at most `limit` rows a page, or all of them where there is none.

    With `step` the answer has buckets, on the grid of the Unix epoch or of the calendar, where `fill` says what stands
    for empty ones; `points` asks for a chart of so many points a stream, `as_of` for the value in force at a time.
    `ask` says on what ground, for what and in which format. With `preview` an owner sees what that agreement opens, and
    only that. Without a `kind` it is a part of what stands in the ledger as `entry`. `rolled` tells whether rollups are
    read where they can answer; None leaves it to the database.
    """

    streams: Wanted
    interval: Interval | Last
    limit: int | None = None
    status: StatusFilter = StatusFilter.ALL
    step: Step | None = None
    aggregates: tuple[Aggregate, ...] = ()
    after: Position | None = None
    ask: Ask = NOTHING_SAID
    kind: AccessKind | None = AccessKind.MEASUREMENTS
    entry: UUID | None = None
    preview: UUID | None = None
    points: int | None = None
    as_of: Instant | None = None
    fill: Fill = Fill.NONE
    layout: Layout = Layout.LONG
    rolled: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """The streams, the segments that the decision gave, and their rows, by stream and time.

    In the wide layout each batch has all rows of its stretch of time, and `limit` counts times.

    `interval` is the one decided on, also where the last minutes were asked for. `rows` are whole, or one page with
    `next` to go on, or the first batch, where `rest` has the others. Their columns are `time`, those of the question,
    and `segment`: see `fieldlab.storage.columns`. The segments know their origins unless there is a rest. `access` is
    its entry in the ledger, whose end is still to be told; `checkpoint` the newest one that whoever answers knows.
    """

    decided_at: Instant
    interval: Interval
    streams: tuple[Stream, ...]
    segments: tuple[Segment, ...]
    rows: pa.RecordBatch
    next: Position | None = None
    rest: "Rest | None" = None
    access: Access | None = None
    checkpoint: Checkpoint = NOTHING_SEALED


class Rest(Protocol):
    """The batches after the first: each is read in a short transaction in which the database decides again."""

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """Give the batches; raises RightEnded when a stretch is not the reader's any more, or its key is void."""

    async def confirm(self, batch: pa.RecordBatch) -> None:
        """Raise RightEnded unless the reader still has its right to every segment of a batch."""
