"""What the operator may see in an emergency, and what owners erase."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query

from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.custody import BrokenGlass, Erasure, GlassToBreak, ToErase
from api.models.page import ListQuery, Page, page
from fieldlab.readings.instant import Instant
from fieldlab.storage import custody as storage


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("custody")

    @routes.get("/break-glass", summary="Which emergencies opened your data")
    async def broken_glass(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[BrokenGlass]:
        """When the operator looked into what was yours: why, into what, and until when. It cannot be hidden from you.

        What was read then stands in `/v1/accesses`, with the basis `break_glass`. Newest first.
        """
        return await page(
            scope,
            desk.cursors,
            query,
            route="break-glass",
            fetch=lambda after, limit: storage.broken_glass(scope, desk.engine, after=_place(after), limit=limit),
            place=lambda one: [int(one.opened_at), str(one.id)],
            shown=BrokenGlass.of,
        )

    @routes.post("/break-glass", status_code=201, summary="Open others' data in an emergency")
    async def break_glass(scope: Caller, desk: AtDesk, wanted: Annotated[GlassToBreak, Body()]) -> BrokenGlass:
        """Let the operator read what others own, for at most an hour, and tell each of them at once in the ledger.

        For the operator of the lab with `lab:admin`. Read under it by naming its id as `basis`; it ends by itself.
        """
        made = await storage.break_glass(
            scope, desk.engine, wanted.streams, wanted.data(), reason=wanted.reason, lasting=wanted.lasting
        )
        return BrokenGlass.of(made)

    @routes.get("/erasures", summary="What you have erased")
    async def erasures(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Erasure]:
        """The records of your erasures: which stretch and how much, without the values. Newest first."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="erasures",
            fetch=lambda after, limit: storage.erasures(scope, desk.engine, after=_place(after), limit=limit),
            place=lambda one: [int(one.at), str(one.id)],
            shown=Erasure.of,
        )

    @routes.post("/erasures", status_code=201, summary="Delete a stretch of your own data for good")
    async def erase(scope: Caller, desk: AtDesk, wanted: Annotated[ToErase, Body()]) -> Erasure:
        """Delete what you owned of streams or machines within `[from, until)`. Needs the scope `data:erase`.

        It reaches samples, rollups, inputs that were held back, and stored exports, whoever had asked for them. What
        arrives afterwards for that time is stored again. Nothing brings it back, and a record of it stays.
        """
        erased = await storage.erase(scope, desk.engine, wanted.streams, wanted.data(), reason=wanted.reason)
        return Erasure.of(erased)

    return routes


def _place(after: list[Any] | None) -> storage.Place | None:
    return (Instant(after[0]), UUID(after[1])) if after else None
