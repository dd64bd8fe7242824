"""Large answers as jobs: asking for one, watching it, taking its package, ending it."""

from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from api.answers.download import MEDIA_TYPE, WatchedFile
from api.desk import AtDesk, Desk
from api.guarded import Caller, guarded_router
from api.models.exports import Export, ExportRequest
from api.models.page import ListQuery, Page, page
from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, Gone
from fieldlab.ownership.export import Export as Kept
from fieldlab.ownership.export import ExportState, Ticket
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage import exports as storage

Id = Annotated[UUID, Path(alias="id", description="The export's id.")]

PACKAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}, "description": "The package"},
    206: {"description": "The range of it that was asked for"},
    409: {"description": "It is not ready yet"},
    410: {"description": "It was withdrawn, ended, or is over"},
    416: {"description": "The range lies outside of it"},
}
_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "Twenty of yours wait already"}}


def _after(place: list[Any] | None) -> tuple[Instant, UUID] | None:
    return (Instant(place[0]), UUID(place[1])) if place else None


def _place(export: Kept) -> list[str | int]:
    return [int(export.requested_at), str(export.id)]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("data")

    @routes.post(
        "/exports",
        status_code=202,
        summary="Ask for a large answer as a package",
        responses=_CONFLICT,
        name="request_export",
    )
    async def request_export(
        response: Response, scope: Caller, desk: AtDesk, asked: Annotated[ExportRequest, Body()]
    ) -> Export:
        """Have a package made in the background: a ZIP with a Parquet file for each stream, and what it all means.

        What you may have is decided when the job begins, and again for each batch it reads; nothing later than its
        beginning is in it. It is read in the name of the key that asked, so a key that ends meanwhile ends the job;
        an access token may end, unless it is revoked. Needs `data:read`.
        """
        made = await requested(scope, desk, asked)
        response.headers["Location"] = f"/v1/exports/{made.id}"
        return Export.of(made)

    @routes.get("/exports", summary="Your exports")
    async def exports(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Export]:
        """What your participant asked for, newest first."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="exports",
            fetch=lambda after, limit: storage.listed(scope, desk.engine, after=_after(after), limit=limit),
            place=_place,
            shown=Export.of,
        )

    @routes.get("/exports/{id}", summary="One export: how far it is")
    async def export(scope: Caller, desk: AtDesk, id_: Id) -> Export:
        """One of your exports. While it is `queued` or `running`, ask again in a second or two."""
        return Export.of(await storage.one(scope, desk.engine, id_))

    @routes.delete("/exports/{id}", summary="End it, and delete what there is of it")
    async def end_export(scope: Caller, desk: AtDesk, id_: Id) -> Export:
        """Stop the job if it runs, and delete the package."""
        ended = await storage.end(scope, desk.engine, id_)
        desk.exports.place.withdraw(id_)
        return Export.of(ended)

    @routes.get("/exports/{id}/package", summary="Its package", responses=PACKAGE)
    async def export_package(scope: Caller, desk: AtDesk, id_: Id) -> Response:
        """The ZIP. `Range` with `If-Range` goes on where a download broke off; the ETag is its SHA-256.

        It is yours as long as you may see everything in it: when that ends, so does a download that is under way.
        """
        return await package(scope, desk, id_)

    return routes


async def requested(scope: ReadScope, desk: Desk, asked: ExportRequest) -> Kept:
    """Enter an export, and wake the worker."""
    scope.require(Permission.DATA_READ)
    asked.interval()
    id_, ticket = uuid4(), Ticket.fresh()
    desk.exports.place.enter(id_, ticket)
    try:
        question = orjson.dumps(asked.document()).decode()
        made = await storage.request(scope, desk.engine, id_, question, ticket, desk.export_lives)
    except BaseException:
        desk.exports.place.remove(id_)
        raise
    desk.exports.wake()
    return made


async def package(scope: ReadScope, desk: Desk, id_: UUID) -> Response:
    """Give the package of an export; raises Conflict while there is none, Gone when it is not to be had any more."""
    found = await storage.one(scope, desk.engine, id_)
    path = desk.exports.place.package(id_, found.sha256 or "")
    match found.state:
        case ExportState.QUEUED | ExportState.RUNNING:
            raise Conflict("This export is not ready yet; GET /v1/exports/{id} says how far it is.")
        case ExportState.FAILED:
            raise Conflict(f"There is no package: {found.detail}")
        case ExportState.READY if not await storage.holds(scope, desk.engine, id_):
            desk.exports.place.withdraw(id_)
            raise Gone("Some of its data is not yours to read any more; ask for an export of what is.")
        case ExportState.READY if not path.exists():
            raise Conflict("The package lies on the disk of another process of this service.")
        case ExportState.READY:
            return WatchedFile(
                path,
                sha256=found.sha256 or "",
                name=f"fieldlab-{id_}.zip",
                allowed=lambda: storage.holds(scope, desk.engine, id_),
                ear=desk.ear,
            )
        case _:
            raise Gone(f"This export is {found.state}: {found.detail or 'its time is over.'}")
