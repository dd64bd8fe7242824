"""What the operator may see in an emergency, and what owners erase."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.custody import BrokenGlass, BrokenGlasses, Erasure, Erasures, GlassToBreak, ToErase
from fieldlab.storage import custody as storage


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("custody")

    @routes.get("/break-glass", summary="Which emergencies opened your data")
    async def broken_glass(scope: Caller, desk: AtDesk) -> BrokenGlasses:
        """When the operator looked into what was yours: why, into what, and until when. It cannot be hidden from you.

        What was read then stands in `/v1/accesses`, with the basis `break_glass`.
        """
        return BrokenGlasses(items=[BrokenGlass.of(one) for one in await storage.broken_glass(scope, desk.engine)])

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
    async def erasures(scope: Caller, desk: AtDesk) -> Erasures:
        """The records of your erasures: which stretch and how much, without the values."""
        return Erasures(items=[Erasure.of(one) for one in await storage.erasures(scope, desk.engine)])

    @routes.post("/erasures", status_code=201, summary="Delete a stretch of your own data for good")
    async def erase(scope: Caller, desk: AtDesk, wanted: Annotated[ToErase, Body()]) -> Erasure:
        """Delete what you owned of streams or machines within `[from, until)`. Needs the scope `data:erase`.

        It reaches samples, rollups, inputs that were held back, and stored exports, whoever had asked for them. What
        arrives afterwards for that time is stored again. Nothing brings it back, and a record of it stays.
        """
        erased = await storage.erase(scope, desk.engine, wanted.streams, wanted.data(), reason=wanted.reason)
        return Erasure.of(erased)

    return routes
