"""A trial as one handle: what there is of it, and all of it as a package."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.desk import AtDesk, Desk
from api.field import SlugText, Words
from api.guarded import Caller, guarded_router
from api.models.exports import Export, ExportRequest
from api.models.gaps import Gaps, GapsQuery
from api.models.page import ListQuery, Page, page
from api.models.trials import Trial, TrialWithGaps
from api.routes.exports import PACKAGE, package, requested
from api.routes.gaps import missing
from fieldlab.assets.participant import Permission
from fieldlab.errors import NotFound, OutsideAgreement
from fieldlab.ownership import trial as ownership
from fieldlab.ownership.export import Export as Kept
from fieldlab.ownership.export import ExportState
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import exports, search

_ALL: Final = 100_000
_RECENT: Final = 1000
_SERVING: Final = (ExportState.QUEUED, ExportState.RUNNING, ExportState.READY)
_MADE: Final[dict[int | str, dict[str, Any]]] = {
    **PACKAGE,
    202: {"model": Export, "description": "It is being made: ask again after the seconds in Retry-After"},
}

Slug = Annotated[SlugText, Path(description="The trial's slug.")]


class _TrialQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Annotated[Words | None, Field(description="What for, where an agreement asks.")] = None

    def of_gaps(self, slug: str) -> GapsQuery:
        """Give the question for what is missing in a trial."""
        return GapsQuery(trial=slug, purpose=self.purpose)


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("data")

    @routes.get("/trials", summary="Trials of which you may have something")
    async def trials(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Trial]:
        """Your own trials, and those that agreements open to you, by slug. Needs `data:read`."""

        async def fetch(after: list[Any] | None, limit: int) -> Sequence[ownership.Trial]:
            known = await _known(scope, desk)
            return [one for one in known if after is None or one.slug > after[0]][:limit]

        return await page(
            scope, desk.cursors, query, route="trials", fetch=fetch, place=lambda one: [one.slug], shown=Trial.of
        )

    @routes.get("/trials/{slug}", summary="One trial")
    async def trial(
        request: Request, scope: Caller, desk: AtDesk, slug: Slug, query: Annotated[_TrialQuery, Query()]
    ) -> TrialWithGaps:
        """What you may have of one trial: streams, time, owner and terms, and what is known to be missing in it.

        The gaps are the first page of `/v1/gaps?trial=…`, decided and noted in the access ledger like it.
        """
        known = await _one(scope, desk, slug)
        return TrialWithGaps.of_gaps(known, await _gaps(request, scope, desk, query.of_gaps(slug)))

    @routes.get("/trials/{slug}/package", summary="All of a trial as a package", responses=_MADE)
    async def trial_package(
        scope: Caller, desk: AtDesk, slug: Slug, query: Annotated[_TrialQuery, Query()]
    ) -> Response:
        """The ZIP of the newest export of the trial that is still yours; without one, one is made.

        While it is made the answer is 202 with the export, and `Location` leads to it. To have a newer one, ask for it
        with `POST /v1/exports`.
        """
        await _one(scope, desk, slug)
        question = ExportRequest(**{"trial": slug} | ({"purpose": query.purpose} if query.purpose else {}))
        made = await _made(scope, desk, question)
        if made.state is ExportState.READY:
            return await package(scope, desk, made.id)
        headers = {"Location": f"/v1/exports/{made.id}", "Retry-After": "2"}
        return JSONResponse(Export.of(made).model_dump(mode="json", by_alias=True), 202, headers=headers)

    return routes


async def _known(scope: ReadScope, desk: Desk) -> tuple[ownership.Trial, ...]:
    scope.require(Permission.DATA_READ)
    return ownership.trials(await search.entries(scope, desk.engine, limit=_ALL))


async def _one(scope: ReadScope, desk: Desk, slug: str) -> ownership.Trial:
    for one in await _known(scope, desk):
        if one.slug == slug:
            return one
    raise NotFound(f"There is no trial {slug!r}; GET /v1/trials lists those of which you may have something.")


async def _gaps(request: Request, scope: ReadScope, desk: Desk, query: GapsQuery) -> Gaps | None:
    """Give what is missing; None where every agreement asks for a purpose, and none was stated."""
    try:
        return await missing(request, scope, desk, query)
    except OutsideAgreement:
        if query.purpose or request.headers.get("data-purpose"):
            raise
        return None


async def _made(scope: ReadScope, desk: Desk, question: ExportRequest) -> Kept:
    for known in await exports.listed(scope, desk.engine, limit=_RECENT):
        if known.state in _SERVING and ExportRequest.model_validate_json(known.question) == question:
            if known.state is not ExportState.READY or await exports.holds(scope, desk.engine, known.id):
                return known
            break
    return await requested(scope, desk, question)
