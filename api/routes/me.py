"""Who asks."""

from fastapi import APIRouter

from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.catalogue import Me
from fieldlab.storage import own_keys


def router() -> APIRouter:
    """Make the route."""
    routes = guarded_router("who")

    @routes.get("/me", summary="Who you are")
    async def me(scope: Caller, desk: AtDesk) -> Me:
        """The participant your key speaks for, what it allows, on which streams, and until when."""
        return Me.of(scope, await own_keys.limit(scope, desk.engine))

    return routes
