"""Reading one stream of an export, batch by batch as any reader would, into its table on the disk.

Each batch is a read of its own, which decides anew: what is not the reader's any more stops the job.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from api.exports.place import whole
from api.exports.table import StreamTable
from api.exports.taken import Taken, ground
from api.models.exports import ExportRequest
from fieldlab.assets.asset import Stream
from fieldlab.errors import Gone, NotFound
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage import read
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Answer, Selection

BATCH: Final = 50_000
"""Rows that are read, and held in memory, at a time."""

LOST: Final = "Some of its data is not yours to read any more."


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a job is: `counts` has the rows of each segment so far, `done` how many segments are read.

    `access` is its entry in the ledger, once noted.
    """

    access: UUID | None = None
    done: float = 0.0
    counts: list[int] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Give it from 0 to 1."""
        return min(self.done / max(len(self.counts), 1), 1.0)

    @property
    def rows(self) -> int:
        """Give all rows so far."""
        return sum(self.counts)

    def enter(self, taken: Taken) -> None:
        """Count a table that was finished before."""
        for segment, rows in zip(taken.segments, taken.rows, strict=True):
            self.counts[segment.number] = rows
        self.done += len(taken.segments)


async def take(
    scope: ReadScope,
    pool: Pool,
    path: Path,
    request: ExportRequest,
    stream: Stream,
    segments: list[Segment],
    progress: Progress,
) -> Taken:
    """Have the table of a stream at a path: the one that is finished there, or else one that is read now.

    Raises Gone where the decision is not the one that the job began with.
    """
    found = await asyncio.to_thread(Taken.find, path, segments)
    if found is not None:
        progress.enter(found)
        return found
    aggregates = None if request.step is None else tuple(request.aggregate) or (Aggregate.MEAN,)
    turned_out: list[Segment] = []
    with whole(path) as file, closing(StreamTable(file, stream, aggregates)) as table:
        for segment in segments:
            origins: set[Origin] = set()
            before = progress.done
            async for answer in _batches(scope, pool, request, stream, segment, progress.access):
                await asyncio.to_thread(table.write, segment, answer.rows)
                origins |= set(answer.segments[0].origins or ())
                progress.counts[segment.number] += len(answer.rows)
                progress.done = before + _share(segment.interval, answer)
            progress.done = before + 1
            turned_out.append(replace(segment, origins=tuple(sorted(origins))))
        await asyncio.to_thread(table.finish, turned_out)
    rows = tuple(progress.counts[segment.number] for segment in segments)
    taken = Taken(path=path, segments=tuple(turned_out), rows=rows)
    await asyncio.to_thread(taken.keep)
    return taken


async def _batches(
    scope: ReadScope, pool: Pool, request: ExportRequest, stream: Stream, segment: Segment, entry: UUID | None
) -> AsyncIterator[Answer]:
    """Read one segment batch by batch; raises Gone when the decision is not the one that the job began with."""
    asked = Selection(
        streams=(str(stream.id),),
        interval=segment.interval,
        limit=BATCH,
        status=request.status,
        step=request.length(),
        aggregates=tuple(request.aggregate) or (Aggregate.MEAN,),
        ask=replace(request.ask(), basis=segment.basis.agreement),
        kind=None,
        entry=entry,
    )
    while True:
        try:
            answer = await read.measurements(scope, pool, asked)
        except NotFound:
            raise Gone(LOST) from None
        if [ground(one) for one in answer.segments] != [ground(segment)]:
            raise Gone(LOST)
        yield answer
        if answer.next is None:
            return
        asked = replace(asked, after=answer.next)


def _share(interval: Interval, answer: Answer) -> float:
    """Tell how far into an interval an answer goes; into one without a beginning that cannot be told."""
    if answer.next is None or not interval.start.finite:
        return 0.0
    at = Instant(answer.next.time)
    return min(max((at - interval.start) / (interval.until - interval.start), 0.0), 1.0)
