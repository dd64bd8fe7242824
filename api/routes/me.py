"""Who asks."""

from fastapi import APIRouter

from api.guarded import Caller, guarded_router
from api.models.catalogue import Me


def router() -> APIRouter:
    """Make the route."""
    routes = guarded_router("who")

    @routes.get("/me", summary="Who you are")
    async def me(scope: Caller) -> Me:
        """The participant your key speaks for, what it allows and until when."""
        return Me.of(scope)

    return routes
