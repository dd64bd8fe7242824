"""Keys of one's own participant: listing, issuing, revoking."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api import errors
from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.keys import Key, KeyRequest, NewKey
from api.models.page import ListQuery, Page, page
from api.once import ShownOnce
from fieldlab.errors import Conflict
from fieldlab.readings.instant import Instant
from fieldlab.storage import own_keys
from fieldlab.storage.keys import Key as Kept

Id = Annotated[UUID, Path(alias="id", description="The key's id.")]

_MADE: Final[dict[int | str, dict[str, Any]]] = {
    201: {"model": NewKey, "description": "The key, with its token"},
    409: {"description": "A thousand of yours are valid already, or this Idempotency-Key made its key before"},
}


def _after(place: list[Any] | None) -> tuple[Instant, UUID] | None:
    return (Instant(place[0]), UUID(place[1])) if place else None


def _place(key: Kept) -> list[str | int]:
    return [int(key.created_at), str(key.id)]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("who")

    @routes.get("/keys", summary="Your participant's keys")
    async def keys(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Key]:
        """All keys of your participant, valid or not, newest first; never a token."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="keys",
            fetch=lambda after, limit: own_keys.listed(scope, desk.engine, after=_after(after), limit=limit),
            place=_place,
            shown=Key.of,
        )

    @routes.post("/keys", status_code=201, summary="Make a key", responses=_MADE, response_class=Response)
    async def issue_key(
        request: Request, scope: Caller, desk: AtDesk, asked: Annotated[KeyRequest, Body()]
    ) -> Response:
        """Make a key of your participant, and show its token, once.

        It allows no more than the key you ask with, ends with it at the latest, and is revoked with it. With `streams`
        everything else is missing to whoever holds it. For a key that outlives yours, or allows more, ask the operator
        of the lab.
        """
        made, issued = await own_keys.issue(
            scope,
            desk.engine,
            principal=asked.principal or scope.principal,
            permissions=frozenset(asked.scopes),
            expires_at=scope.expires_at if asked.expires_at is None else asked.expires_at,
            streams=asked.streams,
        )
        again = errors.answer(
            errors.PROBLEMS[Conflict],
            f"This request made key {made.id}, and its token was shown then. If it was lost, revoke that key and "
            "make another with a new Idempotency-Key.",
            request_id=errors.request_id(request),
        )
        shown = NewKey(**Key.of(made).model_dump(), token=issued.token)
        return ShownOnce(
            shown.model_dump_json(), 201, {"Location": f"/v1/keys/{made.id}"}, "application/json", again=again
        )

    @routes.delete("/keys/{id}", summary="Revoke a key")
    async def revoke_key(scope: Caller, desk: AtDesk, id_: Id) -> Key:
        """Make a key of your participant void at once, with all that were made with it; your own too.

        Answers that are under way with it break off. A key that allows more than yours is not yours to revoke.
        """
        return Key.of(await own_keys.revoke(scope, desk.engine, id_))

    return routes
