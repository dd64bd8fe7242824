"""Whether the process lives, whether it can answer, and what it counts."""

from typing import Any, Final

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import Response

from api.desk import AtDesk
from api.metrics import Metrics
from fieldlab.storage import keys


class Health(BaseModel):
    """What a probe wants to know."""

    status: str


_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}
}


def router(metrics: Metrics) -> APIRouter:
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

    @routes.get("/metrics", summary="Counts for Prometheus", response_class=Response, responses=_TEXT)
    async def numbers() -> Response:
        """Requests by method, route and status, and how long they took; who follows data; exports being made.

        Counts of this process since its start. No values, streams, owners or callers are in it.
        """
        return Response(metrics.written(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
