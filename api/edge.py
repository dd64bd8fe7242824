"""The outermost layer: request ids, the log line, headers that every answer has, and errors that nobody expected."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers.delivery import BrokenOff
from api.errors import INTERNAL, answer
from api.methods import TEMPLATE
from api.metrics import Metrics

_log: Final = logging.getLogger("fieldlab.api")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEADERS: Final = "headers"
"""Stands in the state of a request for headers that its answer gets, whatever it will be."""

_EVERYWHERE: Final = ((b"cache-control", b"private, no-store"), (b"x-content-type-options", b"nosniff"))


class Edge:
    """Stands around everything else; `metrics` hears of every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics | None = None) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see to it that it gets an answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_ours(message["headers"], request_id, scope["state"].get(HEADERS, {}))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except BrokenOff as why:  # returned without an end: the server closes the connection
            _log.info("broken off: %s request=%s", why, request_id)
        except Exception:
            _log.exception("unexpected error: request=%s", request_id)
            if status:
                raise  # an answer that has begun is broken off, so that nobody takes it for whole
            problem = answer(INTERNAL, INTERNAL.meaning, request_id=request_id)
            await problem(scope, receive, sending)
        finally:
            took = time.perf_counter() - started
            if self._metrics is not None:
                self._metrics.count(scope["method"], scope["state"].get(TEMPLATE), status, took)
            path = quote(scope["path"])
            _log.info("%s %s %s %.1f ms request=%s", scope["method"], path, status, took * 1000, request_id)


def _with_ours(
    headers: Iterable[tuple[bytes, bytes]], request_id: str, more: Mapping[str, str]
) -> list[tuple[bytes, bytes]]:
    """Add the headers that every answer has, unless it says otherwise, and those of this one."""
    said = [*headers]
    names = {name for name, _ in said}
    ours = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in more.items()]
    everywhere = [pair for pair in _EVERYWHERE if pair[0] not in names]
    return [*said, (b"x-request-id", request_id.encode()), *ours, *everywhere]
