"""What is measured."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import SlugText, Words
from api.guarded import Caller, guarded_router
from api.models.catalogue import Stream
from api.models.page import ListQuery, Page, page
from fieldlab.storage import catalogue


class _Query(ListQuery):
    asset: Annotated[SlugText | None, Field(description="Streams of this asset.")] = None
    quantity: Annotated[Words | None, Field(description="Streams of this quantity, spelt as in the catalogue.")] = None
    unit: Annotated[Words | None, Field(description="Streams in this unit, a UCUM code.")] = None
    q: Annotated[Words | None, Field(description="Streams with this in reference, quantity or description.")] = None


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("catalogue")

    @routes.get("/streams", summary="What is measured")
    async def streams(scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]) -> Page[Stream]:
        """The streams that concern you, by asset and name: unit, quantity, and the first and last time you may see."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="streams",
            fetch=lambda after, limit: catalogue.streams(
                scope,
                desk.engine,
                asset=query.asset,
                quantity=query.quantity,
                unit=query.unit,
                words=query.q,
                after=(after[0], after[1]) if after else ("", ""),
                limit=limit,
            ),
            place=lambda stream: [stream.asset, stream.name],
            shown=Stream.of,
        )

    @routes.get("/streams/{id}", summary="One stream")
    async def stream(
        scope: Caller,
        desk: AtDesk,
        id_: Annotated[Words, Path(alias="id", description="An id, or a reference: `mill-1.spindle_current`.")],
    ) -> Stream:
        """One stream that concerns you."""
        return Stream.of(await catalogue.stream(scope, desk.engine, id_))

    return routes
