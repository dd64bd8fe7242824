"""The catalogue: what may be had, of whom and on what terms; for people, and for other catalogues."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import as_dcat
from api.desk import AtDesk, Desk
from api.field import SlugText, Words
from api.guarded import Caller, guarded_router
from api.models.entry import Entry
from api.models.page import ListQuery, Page, cut, page
from fieldlab.assets.participant import Permission, Role
from fieldlab.ownership import entry as ownership
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import catalogue as storage
from fieldlab.storage import search

_LD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {as_dcat.MEDIA_TYPE: {"schema": {"type": "object"}}}, "description": "A page of the catalogue"}
}


_ALL: Final = 100_000


class _Query(ListQuery):
    asset: Annotated[SlugText | None, Field(description="Entries of this asset.")] = None
    quantity: Annotated[Words | None, Field(description="Entries of this quantity, spelt as in the catalogue.")] = None
    unit: Annotated[Words | None, Field(description="Entries in this unit, a UCUM code.")] = None
    q: Annotated[
        Words | None,
        Field(description="Entries with all of these words in reference, quantity, or a description, in any order."),
    ] = None

    async def found(self, scope: ReadScope, desk: Desk, after: list[Any] | None, limit: int) -> list[ownership.Entry]:
        """Search from after a place on."""
        return [
            *await search.entries(
                scope,
                desk.engine,
                asset=self.asset,
                quantity=self.quantity,
                unit=self.unit,
                words=(self.q or "").split(),
                after=(after[0], after[1]) if after else ("", ""),
                limit=limit,
            )
        ]


def _place(entry: ownership.Entry) -> list[str | int]:
    return [entry.stream.asset, entry.stream.name]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("catalogue")

    @routes.get("/catalogue", summary="What you may have", response_model_exclude_unset=True)
    async def catalogue(scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]) -> Page[Entry]:
        """The streams of which you may have something, by asset and name: which stretches, whose, on what terms.

        Data for which an agreement wants a purpose stated is listed too, with the purposes. Needs `data:read`.
        """
        scope.require(Permission.DATA_READ)
        return await page(
            scope,
            desk.cursors,
            query,
            route="catalogue",
            fetch=lambda after, limit: query.found(scope, desk, after, limit),
            place=_place,
            shown=Entry.of_entry,
        )

    @routes.get("/catalogue.jsonld", summary="It as DCAT-AP", responses=_LD)
    async def catalogue_as_dcat(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]
    ) -> Response:
        """The same as DCAT-AP 3 in JSON-LD, with all context in the document: nothing needs to be fetched.

        The next page is behind `hydra:next`, and behind the `Link` to `next`. Needs `data:read`.
        """
        scope.require(Permission.DATA_READ)
        found, cursor = await cut(
            scope,
            desk.cursors,
            query,
            route="catalogue.jsonld",
            fetch=lambda after, limit: query.found(scope, desk, after, limit),
            place=_place,
        )
        operators = [
            one for one in await storage.participants(scope, desk.engine, limit=_ALL) if one.role is Role.OPERATOR
        ]
        asked = query.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        next_ = f"{as_dcat.PATH}?{urlencode({**asked, 'cursor': cursor})}" if cursor else None
        document = as_dcat.catalogue(
            found,
            operators[0] if operators else None,
            as_dcat.Place(
                base=str(request.base_url),
                page=f"{as_dcat.PATH}?{urlencode(asked)}" if asked else as_dcat.PATH,
                next=next_,
            ),
        )
        headers = {"Link": f'</{next_}>; rel="next"'} if next_ else {}
        return Response(orjson.dumps(document), headers=headers, media_type=as_dcat.MEDIA_TYPE)

    return routes
