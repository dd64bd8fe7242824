"""Whether the process lives, and whether it can answer."""

from fastapi import APIRouter
from pydantic import BaseModel

from api.desk import AtDesk
from fieldlab.storage import keys


class Health(BaseModel):
    """What a probe wants to know."""

    status: str


def router() -> APIRouter:
    """Make the routes; they ask for no key and tell nothing about the lab."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Whether the process lives")
    async def healthz() -> Health:
        """Always `alive`; it asks nothing of the database."""
        return Health(status="alive")

    @routes.get("/readyz", summary="Whether it can answer", responses={503: {"description": "Not at this moment"}})
    async def readyz(desk: AtDesk) -> Health:
        """`ready` if the database answers."""
        await keys.cursor_key(desk.engine)
        return Health(status="ready")

    return routes
