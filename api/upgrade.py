"""The handshake of a WebSocket, taken for what it is: a GET (RFC 6455, 4.1), which every guard of a GET sees.

No route is reached over a WebSocket in another way, so none can leave a guard out. A refusal is an ordinary answer.
"""

from collections.abc import Collection
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge import Edge
from api.errors import NOT_FOUND, answer

SWITCHING: Final = 101
"""The status with which a route takes a WebSocket; messages follow."""

UPGRADED: Final = "upgraded"
"""Stands in the state of a request that is the handshake of a WebSocket."""

_DENIAL: Final = "websocket.http.response"
_POLICY_VIOLATION: Final = 1008
_LEFT_OUT: Final = {b"accept-encoding"}
"""Headers of a handshake that say nothing about messages."""


class Upgrade:
    """Passes handshakes on as requests to the routes that take them; stands outside everything else."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._elsewhere = Edge(_refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no handshake as it is."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        if (await receive())["type"] != "websocket.connect":
            return
        app = self._app if scope["path"] in self._paths else self._elsewhere
        await app(_request(scope), _Incoming(receive).receive, _Outgoing(scope, send).send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "There is no WebSocket at this address; ask with a plain GET, or follow data at /v1/live/ws."
    await answer(NOT_FOUND, detail, request_id=scope["state"]["request_id"])(scope, receive, send)


def _request(scope: Scope) -> Scope:
    kept = {name: value for name, value in scope.items() if name not in {"subprotocols", "extensions"}}
    return {
        **kept,
        "type": "http",
        "method": "GET",
        "scheme": "https" if scope.get("scheme") == "wss" else "http",
        "headers": [(name, value) for name, value in scope["headers"] if name not in _LEFT_OUT],
        "extensions": {},
        "state": {**scope.get("state", {}), UPGRADED: True},
    }


class _Incoming:
    """The way in: a request without a body, and nothing else until the other side goes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await self._receive())["type"] != "websocket.disconnect":
            pass  # what a client sends is not read
        return {"type": "http.disconnect"}


class _Outgoing:
    """The way out: the head of an answer accepts the WebSocket or refuses it; messages pass."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._tells = _DENIAL in scope.get("extensions", {})
        self._send = send

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" if message["status"] == SWITCHING:
                await self._send({"type": "websocket.accept", "headers": message["headers"]})
            case "http.response.start" if self._tells:
                headers: list[Any] = [*message["headers"], (b"connection", b"close")]
                await self._send({**message, "type": f"{_DENIAL}.start", "headers": headers})
            case "http.response.start":
                await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            case "http.response.body" if self._tells:
                await self._send({**message, "type": f"{_DENIAL}.body"})
            case "http.response.body":
                pass
            case _:
                try:
                    await self._send(message)
                except RuntimeError as error:  # the server has closed: a ping without answer, a message too large
                    raise ConnectionResetError("The connection was closed.") from error
