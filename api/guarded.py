"""Who asks: routes that nobody passes without a valid key, and the right to read that the key gives."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import lru_cache, partial
from time import monotonic
from typing import Annotated, Any, Final, get_args, get_origin

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from api.desk import Desk
from api.edge import HEADERS
from api.once import once
from fieldlab.errors import TooMany, Unauthenticated
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import keys

_LONGEST_TOKEN: Final = 8192
_SAFE: Final = {"GET", "HEAD"}
_SHORT: Final = 512
"""Bytes of a query whose parameters are looked through once; what is wrong with longer ones is not remembered."""

_REMEMBERED: Final = 256
READING: Final = {"/v1/measurements", "/v1/segments"}
"""What is read with POST, because the question is long."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that authenticates before it reads anything else, and refuses query parameters that it does not know."""

    def get_route_handler(self) -> Handler:
        """Wrap the route's own handler."""
        handle = self.way(super().get_route_handler())
        known = parameters(self.dependant)
        faults = lru_cache(maxsize=_REMEMBERED)(partial(_faults, known))

        async def guarded(request: Request) -> Response:
            token = _token(request)
            desk: Desk = request.app.state.desk
            if desk.issuer is not None and not token.startswith(keys.PREFIX):
                await desk.issuer.admit(token)
            request.state.scope = await self.who(desk, token)
            _refuse_too_many(request, desk)
            text = request.scope["query_string"]
            if found := faults(text) if len(text) <= _SHORT else _faults(known, text):
                raise RequestValidationError(found)
            await _refuse_repeated_keys(request)
            if request.method in _SAFE or self.path in READING:
                return _with_checkpoint(await handle(request), desk)
            return _with_checkpoint(await once(request, request.state.scope, desk, lambda: handle(request)), desk)

        return guarded

    def way(self, framework: Handler) -> Handler:
        """Give what answers a request that has passed every guard: the framework."""
        return framework

    @staticmethod
    async def who(desk: Desk, token: str) -> ReadScope:
        """Authenticate with the database."""
        return await keys.authenticate(desk.engine, token)


def _with_checkpoint(answer: Response, desk: Desk) -> Response:
    """Give the newest checkpoint of the access ledger along, for whoever keeps one."""
    newest = desk.ends.checkpoint
    answer.raw_headers.append((b"ledger-checkpoint", f"{newest.size} {newest.root}".encode()))
    return answer


class ReadingRoute(GuardedRoute):
    """A route whose answer is read in one bound transaction, in which the database authenticates; not before it too."""

    @staticmethod
    async def who(desk: Desk, token: str) -> ReadScope:
        """Take the word that the database gave less than a second ago, where it did."""
        return await desk.keyring.authenticate(token)


def guarded_router(tag: str, *, route: type[GuardedRoute] = GuardedRoute) -> APIRouter:
    """Make a router whose routes all ask for a key."""
    scheme = HTTPBearer(scheme_name="key", description="An API key of the lab, such as `flk_…`.", auto_error=False)
    return APIRouter(prefix="/v1", route_class=route, tags=[tag], dependencies=[Depends(scheme)])


async def _scope(request: Request) -> ReadScope:
    scope = request.state.scope
    if not isinstance(scope, ReadScope):
        raise Unauthenticated("This route was reached without a key.")
    return scope


Caller = Annotated[ReadScope, Depends(_scope)]
"""The right to read of whoever asks; only guarded routes have one."""


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send a key as `Authorization: Bearer flk_…`; the operator of the lab gives one.")
    if len(token) > _LONGEST_TOKEN:
        raise Unauthenticated("This token is not valid: it is wrong, expired or revoked. Ask for a new key.")
    return token.strip()


def parameters(of: Dependant) -> dict[str, bool]:
    """Give the names of a route's query parameters, and whether each may be repeated."""
    known: dict[str, bool] = {}
    for parameter in of.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            known |= {field.alias or name: _repeatable(field) for name, field in model.model_fields.items()}
        else:
            known[parameter.alias] = _repeatable(parameter.field_info)
    for part in of.dependencies:
        known |= parameters(part)
    return known


def _repeatable(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(get_origin(kind) in {list, tuple, set} for kind in kinds)


async def _refuse_repeated_keys(request: Request) -> None:
    """Refuse a JSON body in which a key stands twice: nobody could tell which one is meant."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return
    with suppress(ValueError, RecursionError):  # what is not JSON gets its answer from the route
        json.loads(await request.body(), object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        fault = {"type": "invalid-input", "loc": ("body", twice[:60]), "msg": "This key stands there twice."}
        raise RequestValidationError([fault])
    return made


def _refuse_too_many(request: Request, desk: Desk) -> None:
    """Count the request; raise TooMany where its participant has asked too often."""
    if desk.rates is None:
        return
    verdict = desk.rates.take(request.state.scope.participant, monotonic())
    headers = request.scope["state"].setdefault(HEADERS, {})
    headers["RateLimit-Policy"] = desk.rates.policy
    headers["RateLimit"] = f'"participant";r={verdict.remaining};t={verdict.reset}'
    if not verdict.allowed:
        raise TooMany(
            f"Your participant has asked more than {desk.rates.quota} times within a minute; "
            f"try again in {verdict.retry_after} s.",
            seconds=verdict.retry_after,
        )


def _faults(known: dict[str, bool], text: bytes) -> list[dict[str, object]]:
    """Tell which parameters of a query are not known, or stand there twice."""
    asked = Counter(name for name, _ in QueryParams(text).multi_items())
    if all(name in known and (known[name] or times == 1) for name, times in asked.items()):
        return []
    offered = f"This route takes: {', '.join(known) or 'no parameters'}."
    faults: list[dict[str, object]] = [
        {"type": "invalid-input", "loc": ("query", name), "msg": f"There is no such parameter. {offered}"}
        for name in asked
        if name not in known
    ]
    faults += [
        {"type": "invalid-input", "loc": ("query", name), "msg": "Give this parameter once."}
        for name, times in asked.items()
        if name in known and not known[name] and times > 1
    ]
    return faults
