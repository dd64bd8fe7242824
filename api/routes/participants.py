"""Who is in the lab."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.catalogue import Participant
from api.models.page import ListQuery, Page, page
from fieldlab.errors import NotFound
from fieldlab.storage import catalogue


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("who")

    @routes.get("/participants", summary="Who is in the lab")
    async def participants(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Participant]:
        """The organisations in the field lab, by slug."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="participants",
            fetch=lambda after, limit: catalogue.participants(
                scope, desk.engine, after=after[0] if after else "", limit=limit
            ),
            place=lambda participant: [participant.slug],
            shown=Participant.of,
        )

    @routes.get("/participants/{slug}", summary="One participant")
    async def participant(scope: Caller, desk: AtDesk, slug: SlugText) -> Participant:
        """One organisation in the field lab."""
        found = await catalogue.participants(scope, desk.engine, slug=slug, limit=1)
        if not found:
            raise NotFound(f"There is no participant {slug!r}; GET /v1/participants lists those you can see.")
        return Participant.of(found[0])

    return routes
