"""Sources: the brokers and servers that gateways connect to."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.page import ListQuery, Page, page
from api.models.sources import Done, NewSource, Source
from fieldlab.assets.inventory import SourceEntry
from fieldlab.assets.lab import DeclaredSource
from fieldlab.assets.source import Wire, url_fault
from fieldlab.storage import plugging

OptionsOf = Callable[[Wire], type[BaseModel]]
"""Gives the model that the options of a wire's sources must fit."""

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "The source has another wire already"}}


def router(options_of: OptionsOf | None) -> APIRouter:
    """Make the routes; without `options_of` a gateway is the first that looks at the options."""
    routes = guarded_router("sources")

    @routes.get("/sources", summary="The brokers and servers that gateways connect to")
    async def sources(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Source]:
        """List the sources by slug, with how much of each is bound. Needs `lab:admin`."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="sources",
            fetch=lambda after, limit: plugging.sources(
                scope, desk.engine, after=after[0] if after else "", limit=limit
            ),
            place=lambda source: [source.slug],
            shown=Source.of,
        )

    @routes.get("/sources/{slug}", summary="One source")
    async def source(scope: Caller, desk: AtDesk, slug: SlugText) -> Source:
        """Show one source. Needs `lab:admin`."""
        return Source.of(await plugging.source_of(scope, desk.engine, slug))

    @routes.post("/sources", status_code=201, summary="Connect a broker or server", responses=_CONFLICT)
    async def add_source(response: Response, scope: Caller, desk: AtDesk, new: Annotated[NewSource, Body()]) -> Done:
        """Add a source, or change where the one of that name leads: as `fieldlab source add` does. Needs `lab:admin`.

        Running gateways connect by themselves; what arrives and is not bound yet shows in `GET /v1/discoveries`.
        Nothing is ever removed, and secrets are named, never sent.
        """
        entry = _entry(new, options_of)
        outcome = await plugging.add_source(scope, desk.engine, new.slug, entry, dry_run=new.dry_run)
        if not new.dry_run:
            response.headers["Location"] = f"/v1/sources/{new.slug}"
        return Done.of(outcome, dry_run=new.dry_run)

    return routes


def _entry(new: NewSource, options_of: OptionsOf | None) -> SourceEntry:
    """Check a source as a declaration is checked; every fault is named by its key, and shows no value."""
    if (wrong := url_fault(new.wire, new.url)) is not None:
        raise RequestValidationError([{"type": "invalid-input", "loc": ("body", "url"), "msg": f"Here {wrong}."}])
    try:
        declared = DeclaredSource(wire=new.wire, url=new.url, options=new.options)
        if options_of is not None:
            options_of(declared.wire).model_validate(declared.options)
    except ValidationError as error:
        raise RequestValidationError([_fault(one) for one in error.errors(include_input=False)]) from None
    return SourceEntry(wire=declared.wire, url=declared.url, options=declared.options)


def _fault(error: Any) -> dict[str, Any]:  # noqa: ANN401 - as pydantic gives it
    place = tuple(part for part in error["loc"] if not str(part).startswith("("))
    inside = () if not place or place[0] in DeclaredSource.model_fields else ("options",)
    message = str(error["msg"]).removeprefix("Value error, ")
    return {**error, "loc": ("body", *inside, *place), "msg": message}
