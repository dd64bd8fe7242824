"""Agreements: proposing, answering and ending them, what they would show, and how they read elsewhere."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.answers import as_odrl
from api.answers.media import choose
from api.answers.response import respond
from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.agreements import Agreement, Event, Proposal, Receipt, Why
from api.models.page import ListQuery, Page, page
from api.models.query import MeasurementsQuery
from api.routes.measurements import ANSWER, refuse_unservable
from fieldlab.assets.participant import Permission
from fieldlab.errors import Forbidden, NotFound
from fieldlab.ownership.agreement import Action, Party, State
from fieldlab.ownership.agreement import Agreement as Signed
from fieldlab.readings.instant import Instant
from fieldlab.storage import agreements as storage
from fieldlab.storage import ledger, read

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "The agreement's state does not allow it, or it names what is not the owner's"}
}
_LD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {as_odrl.MEDIA_TYPE: {"schema": {"type": "object"}}}, "description": "The policy"}
}
_ENDING: Final = frozenset({"suspend", "terminate", "expire"})
_STEPS: Final = {
    Action.APPROVE: ("Approve it", "The other side of a proposal agrees. What it replaces ends in the same moment."),
    Action.REJECT: ("Turn it down", "The other side of a proposal does not agree."),
    Action.WITHDRAW: ("Take a proposal back", "Whoever proposed it does not want it any more."),
    Action.SUSPEND: ("Suspend it", "The owner stops it for a while, alone and at once: nothing is read under it."),
    Action.RESUME: ("Resume it", "The owner lets it go on."),
    Action.TERMINATE: ("End it", "Either side ends it, alone and at once. It does not begin again."),
}


Id = Annotated[UUID, Path(alias="id", description="The agreement's id.")]


class _Query(ListQuery):
    state: Annotated[State | None, Field(description="Agreements in this state.")] = None


def _after(place: list[Any] | None) -> tuple[Instant, UUID] | None:
    return (Instant(place[0]), UUID(place[1])) if place else None


def _place(agreement: Signed) -> list[str | int]:
    return [int(agreement.proposed_at), str(agreement.id)]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("agreements")

    @routes.get("/agreements", summary="Agreements to which you are a party")
    async def agreements(scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]) -> Page[Agreement]:
        """What you permit others and others permit you, newest first, whatever its state."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="agreements",
            fetch=lambda after, limit: storage.listed(
                scope, desk.engine, state=query.state, after=_after(after), limit=limit
            ),
            place=_place,
            shown=Agreement.of,
        )

    @routes.post("/agreements", status_code=201, summary="Offer your data, or request another's")
    async def propose(
        response: Response, scope: Caller, desk: AtDesk, proposal: Annotated[Proposal, Body()]
    ) -> Agreement:
        """Propose an agreement, which the other side approves or not. Needs `agreements:write`.

        Terms under `enforced` are kept by the database; those under `declared` are promises. An unknown term is
        refused. A request is accepted whether or not its streams exist; only their owner learns which do.
        """
        scope.require(Permission.AGREEMENTS_WRITE)
        terms = proposal.terms(scope.participant)
        made = await storage.propose(
            scope, desk.engine, terms, answer_within=proposal.answer_within, replaces=proposal.replaces
        )
        response.headers["Location"] = f"/v1/agreements/{made.id}"
        return Agreement.of(made)

    @routes.get("/agreements/{id}", summary="One agreement", response_model=Agreement, responses=_LD)
    async def agreement(request: Request, scope: Caller, desk: AtDesk, id_: Id) -> Agreement | Response:
        """One agreement to which you are a party; as an ODRL policy with `Accept: application/ld+json`."""
        found = await storage.one(scope, desk.engine, id_)
        if as_odrl.MEDIA_TYPE in request.headers.get("accept", ""):
            return _policy(found)
        return Agreement.of(found)

    @routes.get("/agreements/{id}/odrl", summary="It as an ODRL policy", responses=_LD)
    async def odrl(scope: Caller, desk: AtDesk, id_: Id) -> Response:
        """The agreement as ODRL 2.2 in JSON-LD, with all context in the document: nothing needs to be fetched."""
        return _policy(await storage.one(scope, desk.engine, id_))

    @routes.get("/agreements/{id}/events", summary="Its life, step by step")
    async def events(scope: Caller, desk: AtDesk, id_: Id, query: Annotated[ListQuery, Query()]) -> Page[Event]:
        """Who did what to it, when and why, oldest first; and which purposes were refused."""
        return await page(
            scope,
            desk.cursors,
            query,
            route=f"agreements/{id_}/events",
            fetch=lambda after, limit: storage.events(
                scope, desk.engine, id_, after=(Instant(after[0]), after[1]) if after else None, limit=limit
            ),
            place=lambda event: [int(event.at), event.number],
            shown=Event.of,
        )

    @routes.get("/agreements/{id}/preview", summary="What its grantee would see", responses=ANSWER)
    async def preview(
        request: Request,
        scope: Caller,
        desk: AtDesk,
        id_: Id,
        query: Annotated[MeasurementsQuery, Query()],
    ) -> Response:
        """What the grantee would get for this query under this agreement, for its owner; also before it is approved."""
        scope.require(Permission.DATA_READ)
        medium = choose(query.format, request.headers.get("accept"))
        found = await storage.one(scope, desk.engine, id_)
        if found.party(scope.participant) is not Party.OWNER:
            raise Forbidden("Only the owner previews an agreement; read under it with basis=… once it is active.")
        ask = query.ask(next(iter(found.terms.declared.purposes), None) if query.purpose is None else None, medium)
        answer = await read.measurements(scope, desk.pool, query.selection(scope, desk.cursors, ask, preview=found.id))
        refuse_unservable(answer, query)
        cursor = query.next(scope, desk.cursors, answer)
        here = f"/v1/agreements/{id_}/preview"
        next_ = query.address(here, cursor=cursor) if cursor else None
        return respond(
            answer,
            medium,
            tell=desk.ends.add,
            ear=desk.ear,
            checkpoint=desk.ends.checkpoint,
            next_cursor=cursor,
            next_=next_,
            decision=query.address(here),
            layout=query.layout,
        )

    _add_receipt(routes)
    for action, (summary, description) in _STEPS.items():
        routes.add_api_route(
            f"/agreements/{{id}}/{action}",
            _step(action),
            methods=["POST"],
            name=f"{action}_agreement",
            summary=summary,
            description=f"{description} Needs `agreements:write`.",
            responses=_CONFLICT,
        )
    return routes


def _add_receipt(routes: APIRouter) -> None:
    @routes.get("/agreements/{id}/receipt", summary="What had left under it, to whom, when")
    async def receipt(scope: Caller, desk: AtDesk, id_: Id) -> Receipt:
        """For its owner: when it took effect that it ended, which running answers that cut, and what had left before.

        Anybody else gets the answer of an agreement that is not there. Each line is an entry of the ledger.
        """
        found = await storage.one(scope, desk.engine, id_)
        if found.party(scope.participant) is not Party.OWNER:
            raise NotFound(f"There is no agreement {id_} of your own; GET /v1/agreements lists yours.")
        await desk.ends.flush()
        steps = await storage.events(scope, desk.engine, id_)
        ended = [step.at for step in steps if step.kind in _ENDING] if found.state is not State.ACTIVE else []
        return Receipt.of(found, max(ended, default=None), await ledger.receipt(scope, desk.engine, id_))


def _step(action: Action) -> Callable[..., Awaitable[Agreement]]:
    async def step(
        scope: Caller,
        desk: AtDesk,
        id_: Id,
        why: Annotated[Why | None, Body()] = None,
    ) -> Agreement:
        reason = why.reason if why else ""
        return Agreement.of(await storage.step(scope, desk.engine, id_, action, reason=reason))

    return step


def _policy(agreement: Signed) -> Response:
    return Response(orjson.dumps(as_odrl.policy(agreement)), media_type=as_odrl.MEDIA_TYPE, headers={"Vary": "Accept"})
