"""HEAD for every GET, OPTIONS for every route, and a full Allow header where a method is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BY_STATUS, answer

WITHOUT_BODY: Final = "without_body"
"""Stands in the state of a request whose answer's body nobody gets."""

TEMPLATE: Final = "template"
"""Stands in the state of a request for the path of its route, with parameters as they are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """A path and the methods that it takes; `plain` is a path without parameters, as it is asked for."""

    path: re.Pattern[str]
    template: str
    plain: str | None
    methods: frozenset[str]


def doors(routes: Sequence[BaseRoute]) -> tuple[Door, ...]:
    """Gather the methods of all routes by path."""
    taken: dict[str, set[str]] = {}
    for route in iter_route_contexts(routes):
        if route.path is not None and route.methods:
            taken.setdefault(route.path, set()).update(route.methods)
    return tuple(
        Door(
            path=compile_path(path)[0],
            template=path,
            plain=None if "{" in path else path,
            methods=_all_taken(methods),
        )
        for path, methods in taken.items()
    )


def _all_taken(methods: set[str]) -> frozenset[str]:
    return frozenset(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


class Methods:
    """Answers OPTIONS and refused methods itself, and HEAD as a GET without its body."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._doors = doors(routes)
        self._plain = {door.plain: door for door in self._doors if door.plain is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as its route expects it."""
        door = self._door(scope) if scope["type"] == "http" else None
        if door is None:
            await self._app(scope, receive, send)
            return
        scope["state"][TEMPLATE] = door.template
        if scope["method"] not in door.methods:
            problem = answer(
                BY_STATUS[405],
                f"{scope['method']} is not taken here; these are: {', '.join(sorted(door.methods))}.",
                request_id=scope["state"]["request_id"],
                headers={"Allow": ", ".join(sorted(door.methods))},
            )
            await problem(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            allow = ", ".join(sorted(door.methods)).encode()
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow)]})
            await send({"type": "http.response.body", "body": b""})
        elif scope["method"] == "HEAD":
            scope["state"][WITHOUT_BODY] = True
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._app(scope, receive, send)

    def _door(self, scope: Scope) -> Door | None:
        plain = self._plain.get(scope["path"])
        return plain or next((door for door in self._doors if door.path.match(scope["path"])), None)


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending
