"""One export from the claim to the package: decide, have a table of each stream, pack them, and say how it ended.

A job that was interrupted is gone on with by whoever claims it next: what it is to hold is decided again, as of the
moment of its beginning, and the tables that are finished and hold just that are not read again. Nothing of a job that
has no right any more stays.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from api.exports import papers
from api.exports.archive import Archive
from api.exports.manifest import CRATE, MANIFEST, Contents, Table, crate, manifest
from api.exports.place import Place, whole
from api.exports.plan import Plan, plan
from api.exports.table import MEDIA_TYPE
from api.exports.taking import LOST, Progress, take
from api.models.exports import ExportRequest
from fieldlab.errors import FieldlabError, Gone, Unavailable
from fieldlab.ownership.access import Access, AccessKind, End, EndKind
from fieldlab.ownership.export import ExportJob, ExportState
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage import export_jobs, keys
from fieldlab.storage.pool import Pool

_log: Final = logging.getLogger("fieldlab.api")

_BEAT: Final = 2.0
"""Seconds between two words of how far it is; more often than its lease ends, and soon after it is to stop."""


async def run(engine: AsyncEngine, pool: Pool, place: Place, job: ExportJob, tell: Callable[[End], None]) -> None:
    """Do a claimed job to its end, whatever that is; if it cannot be done now, another claim goes on with it.

    `tell` hears how the access ended that the ledger has of it.
    """
    progress = Progress()
    end = _ends(progress, EndKind.BROKEN)
    working = asyncio.create_task(_made(engine, pool, place, job, progress))
    beating = asyncio.create_task(_beat(engine, job, progress, working))
    try:
        size, digest = await working
        end = _ends(progress, EndKind.ANSWERED)
        await export_jobs.note(engine, job.ticket, progress=1, rows=progress.rows)
        if await export_jobs.finish(engine, job.ticket, ExportState.READY, size=size, sha256=digest):
            await asyncio.to_thread(place.assembled, job.id)
        else:
            place.package(job.id, digest).unlink(missing_ok=True)  # somebody else had finished it, or it was ended
    except Unavailable:
        _log.warning("export %s waits: the database cannot be reached", job.id)
    except asyncio.CancelledError:
        if not _stopped_from_outside():
            await asyncio.to_thread(place.withdraw, job.id)
            return
        await _given_back(engine, job, progress)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the export's reader is told, and the other jobs go on
        state, detail = _told(error, job)
        if state is ExportState.WITHDRAWN:
            end = _ends(progress, EndKind.CUT, "export.withdrawn")
        await asyncio.to_thread(place.withdraw, job.id)
        await export_jobs.finish(engine, job.ticket, state, detail=detail)
    finally:
        for task in (beating, working):
            task.cancel()
        await asyncio.gather(beating, working, return_exceptions=True)
        for ended in end:
            tell(ended)


def _ends(progress: Progress, kind: EndKind, reason: str = "") -> Iterator[End]:
    """Give what the ledger is to say of the end, if there was a beginning."""
    if progress.access is not None:
        yield End(access=progress.access, rows=progress.counts, kind=kind, reason=reason)


def _told(error: Exception, job: ExportJob) -> tuple[ExportState, str]:
    """Give what becomes of an export that cannot be made, and what its reader is told."""
    match error:
        case Gone():
            return ExportState.WITHDRAWN, str(error)
        case FieldlabError():
            return ExportState.FAILED, str(error)
        case OSError():
            _log.error("export %s: %s", job.id, error)
            return (
                ExportState.FAILED,
                "There was no room for it on the service's disk; ask for less, or tell the operator.",
            )
    _log.error("export %s failed", job.id, exc_info=error)
    return ExportState.FAILED, "The service failed; tell the operator of the lab the export's id."


def _stopped_from_outside() -> bool:
    """Tell a process that ends from an export that was ended."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _given_back(engine: AsyncEngine, job: ExportJob, progress: Progress) -> None:
    """Let another worker go on with the job at once."""
    with suppress(FieldlabError):
        await asyncio.shield(_note(engine, job, progress, lease=0))


async def _note(engine: AsyncEngine, job: ExportJob, progress: Progress, *, lease: float = export_jobs.LEASE) -> bool:
    """Say how far it is, and keep the job; what an earlier worker said holds until this one knows what it begins with.

    False if it is to stop.
    """
    if progress.access is None:
        return await export_jobs.note(engine, job.ticket, lease=lease)
    return await export_jobs.note(engine, job.ticket, progress=progress.share, rows=progress.rows, lease=lease)


async def _beat(
    engine: AsyncEngine, job: ExportJob, progress: Progress, working: "asyncio.Task[tuple[int, str]]"
) -> None:
    while True:
        await asyncio.sleep(_BEAT)
        with suppress(Unavailable):
            if not await _note(engine, job, progress):
                working.cancel()
                return


async def _made(engine: AsyncEngine, pool: Pool, place: Place, job: ExportJob, progress: Progress) -> tuple[int, str]:
    scope = await keys.authenticate(engine, job.ticket.token)
    request = ExportRequest.model_validate_json(job.question)
    planned = await _planned(scope, engine, pool, place, job, request)
    access = Access(
        kind=AccessKind.TAKE_OUT if request.everything else AccessKind.EXPORT,
        segments=planned.segments,
        question=request.document(),
        purpose=request.purpose,
    )
    if not await export_jobs.hold(scope, engine, job.ticket, access):
        raise Gone(LOST)
    progress.counts = [0] * len(planned.segments)
    progress.access = access.id
    taken = [
        (stream, await take(scope, pool, place.table(job.id, stream.id), request, stream, segments, progress))
        for stream in planned.streams
        if (segments := planned.of(stream))
    ]
    archive = Archive(place.unfinished(job.id))
    try:
        tables: list[Table] = []
        for stream, one in taken:
            path = f"data/{stream.asset}/{stream.name}.parquet"
            await asyncio.to_thread(archive.copy, path, MEDIA_TYPE, one.path)
            tables.append(Table(stream=stream, file=archive.files[-1], rows=sum(one.rows), segments=one.segments))
        await _complete(scope, engine, archive, job, request, planned, tables)
        return await asyncio.to_thread(archive.finish, lambda digest: place.package(job.id, digest))
    finally:
        archive.abandon()


async def _planned(
    scope: ReadScope, engine: AsyncEngine, pool: Pool, place: Place, job: ExportJob, request: ExportRequest
) -> Plan:
    """Decide on what it is to hold; on a job that was interrupted as of the moment at which it began."""
    path = place.moment(job.id)
    began = Instant.parse(path.read_text(encoding="ascii")) if path.exists() else None
    planned = await plan(scope, engine, pool, request, began)
    if began is None:
        with whole(path) as file:
            file.write(str(planned.decided_at).encode())
    return planned


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
        await papers.add_grounds(scope, engine, archive, {segment.basis for segment in planned.segments})
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
