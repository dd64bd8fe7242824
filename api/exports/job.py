"""One export from the claim to the package: decide, read in batches as any reader would, write, and say how it ended.

Each batch is a read of its own, which decides anew: what is not the reader's any more stops the job, and nothing of it
stays. A job that was interrupted begins again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from api.exports import papers
from api.exports.archive import Archive
from api.exports.manifest import CRATE, MANIFEST, Contents, Table, crate, manifest
from api.exports.place import Place
from api.exports.plan import Plan, plan
from api.exports.table import MEDIA_TYPE, StreamTable
from api.models.exports import ExportRequest
from fieldlab.assets.asset import Stream
from fieldlab.errors import FieldlabError, Gone, NotFound, Unavailable
from fieldlab.ownership.access import Access, AccessKind, End, EndKind
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.export import ExportJob, ExportState
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.storage import export_jobs, keys, read
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Answer, Selection

_log: Final = logging.getLogger("fieldlab.api")

BATCH: Final = 50_000
"""Rows that are read, and held in memory, at a time."""

_BEAT: Final = 2.0
"""Seconds between two words of how far it is; more often than its lease ends, and soon after it is to stop."""

_LOST: Final = "Some of its data is not yours to read any more."


@dataclass(kw_only=True, slots=True)
class _Progress:
    """How far a job is: `counts` has the rows of each segment so far, `access` its entry in the ledger once noted."""

    done: float = 0.0
    counts: list[int] = field(default_factory=list)
    access: UUID | None = None

    @property
    def share(self) -> float:
        return min(self.done / max(len(self.counts), 1), 1.0)

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def end(self, kind: EndKind, reason: str = "") -> Iterator[End]:
        """Give what the ledger is to say of the end, if there was a beginning."""
        if self.access is not None:
            yield End(access=self.access, rows=self.counts, kind=kind, reason=reason)


async def run(engine: AsyncEngine, pool: Pool, place: Place, job: ExportJob, tell: Callable[[End], None]) -> None:
    """Do a claimed job to its end, whatever that is; if it cannot be done now, another claim does it.

    `tell` hears how the access ended that the ledger has of it.
    """
    progress = _Progress()
    end = progress.end(EndKind.BROKEN)
    working = asyncio.create_task(_made(engine, pool, place, job, progress))
    beating = asyncio.create_task(_beat(engine, job, progress, working))
    try:
        size, digest = await working
        end = progress.end(EndKind.ANSWERED)
        await export_jobs.note(engine, job.ticket, progress=1, rows=progress.rows)
        await export_jobs.finish(engine, job.ticket, ExportState.READY, size=size, sha256=digest)
    except Unavailable:
        _log.warning("export %s waits: the database cannot be reached", job.id)
    except Gone as error:
        end = progress.end(EndKind.CUT, "export.withdrawn")
        await export_jobs.finish(engine, job.ticket, ExportState.WITHDRAWN, detail=str(error))
    except FieldlabError as error:
        await export_jobs.finish(engine, job.ticket, ExportState.FAILED, detail=str(error))
    except OSError as error:
        _log.error("export %s: %s", job.id, error)
        detail = "There was no room for it on the service's disk; ask for less, or tell the operator."
        await export_jobs.finish(engine, job.ticket, ExportState.FAILED, detail=detail)
    except asyncio.CancelledError:
        if not _stopped_from_outside():
            return
        await _given_back(engine, job)
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the export's reader is told, and the other jobs go on
        _log.exception("export %s failed", job.id)
        detail = "The service failed; tell the operator of the lab the export's id."
        await export_jobs.finish(engine, job.ticket, ExportState.FAILED, detail=detail)
    finally:
        for task in (beating, working):
            task.cancel()
        await asyncio.gather(beating, working, return_exceptions=True)
        for ended in end:
            tell(ended)


def _stopped_from_outside() -> bool:
    """Tell a process that ends from an export that was ended."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _given_back(engine: AsyncEngine, job: ExportJob) -> None:
    """Let another worker have the job at once."""
    with suppress(FieldlabError):
        await asyncio.shield(export_jobs.note(engine, job.ticket, progress=0, rows=0, lease=0))


async def _beat(
    engine: AsyncEngine, job: ExportJob, progress: _Progress, working: "asyncio.Task[tuple[int, str]]"
) -> None:
    while True:
        await asyncio.sleep(_BEAT)
        with suppress(Unavailable):
            if not await export_jobs.note(engine, job.ticket, progress=progress.share, rows=progress.rows):
                working.cancel()
                return


async def _made(engine: AsyncEngine, pool: Pool, place: Place, job: ExportJob, progress: _Progress) -> tuple[int, str]:
    scope = await keys.authenticate(engine, job.ticket.token)
    request = ExportRequest.model_validate_json(job.question)
    planned = await plan(scope, engine, pool, request)
    access = Access(
        kind=AccessKind.TAKE_OUT if request.everything else AccessKind.EXPORT,
        segments=planned.segments,
        question=request.document(),
        purpose=request.purpose,
    )
    if not await export_jobs.hold(scope, engine, job.ticket, access):
        raise Gone(_LOST)
    progress.access, progress.counts = access.id, [0] * len(planned.segments)
    archive = Archive(place.unfinished(job.id))
    try:
        tables = [await _table(scope, pool, archive, request, planned, one, progress) for one in planned.streams]
        await _complete(scope, engine, archive, job, request, planned, tables)
        return await asyncio.to_thread(archive.finish, place.package(job.id))
    finally:
        archive.abandon()


async def _complete(
    scope: ReadScope,
    engine: AsyncEngine,
    archive: Archive,
    job: ExportJob,
    request: ExportRequest,
    planned: Plan,
    tables: list[Table],
) -> None:
    if request.everything:
        await papers.add_belongings(scope, engine, archive)
    else:
        under = {segment.basis.agreement for segment in planned.segments}
        await papers.add_agreements(scope, engine, archive, [id_ for id_ in under if id_ is not None])
    names = {slug: known.name for slug, known in (await papers.participants(scope, engine)).items()}
    contents = Contents(
        job=job,
        scope=scope,
        request=request,
        plan=planned,
        tables=tables,
        papers=archive.files[len(tables) :],
        names=names,
    )
    archive.add(MANIFEST, papers.JSON, orjson.dumps(manifest(contents), option=orjson.OPT_INDENT_2))
    described = crate(contents, archive.files[-1])
    archive.add(CRATE, "application/ld+json", orjson.dumps(described, option=orjson.OPT_INDENT_2))


async def _table(
    scope: ReadScope,
    pool: Pool,
    archive: Archive,
    request: ExportRequest,
    planned: Plan,
    stream: Stream,
    progress: _Progress,
) -> Table:
    aggregates = None if request.step is None else tuple(request.aggregate) or (Aggregate.MEAN,)
    segments: list[Segment] = []
    path = f"data/{stream.asset}/{stream.name}.parquet"
    with archive.file(path, MEDIA_TYPE) as file, closing(StreamTable(file, stream, aggregates)) as table:
        for segment in planned.of(stream):
            origins: set[Origin] = set()
            before = progress.done
            async for answer in _batches(scope, pool, request, stream, segment):
                await asyncio.to_thread(table.write, segment, answer.rows)
                origins |= set(answer.segments[0].origins or ())
                progress.counts[segment.number] += len(answer.rows)
                progress.done = before + _share(segment.interval, answer)
            progress.done = before + 1
            segments.append(replace(segment, origins=tuple(sorted(origins))))
        await asyncio.to_thread(table.finish, segments)
    return Table(stream=stream, file=archive.files[-1], rows=table.rows, segments=tuple(segments))


async def _batches(
    scope: ReadScope, pool: Pool, request: ExportRequest, stream: Stream, segment: Segment
) -> AsyncIterator[Answer]:
    """Read one segment batch by batch; raises Gone when the decision is not the one that the job began with."""
    asked = Selection(
        streams=(str(stream.id),),
        interval=segment.interval,
        limit=BATCH,
        status=request.status,
        step=request.length(),
        aggregates=tuple(request.aggregate) or (Aggregate.MEAN,),
        ask=Ask(basis=segment.basis.agreement, purpose=request.purpose, format=request.ask().format),
        kind=None,
    )
    while True:
        try:
            answer = await read.measurements(scope, pool, asked)
        except NotFound:
            raise Gone(_LOST) from None
        if [_ground(one) for one in answer.segments] != [_ground(segment)]:
            raise Gone(_LOST)
        yield answer
        if answer.next is None:
            return
        asked = replace(asked, after=answer.next)


def _ground(segment: Segment) -> tuple[object, ...]:
    return segment.interval, segment.owner, segment.basis.kind, segment.basis.agreement


def _share(interval: Interval, answer: Answer) -> float:
    """Tell how far into an interval an answer goes; into one without a beginning that cannot be told."""
    if answer.next is None or not interval.start.finite:
        return 0.0
    at = Instant(answer.next.time)
    return min(max((at - interval.start) / (interval.until - interval.start), 0.0), 1.0)
