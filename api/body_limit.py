"""No body larger than the service takes is read, whether its length is announced or not."""

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BY_STATUS, answer

_TOO_LARGE: Final = 413


class BodyLimit:
    """Lets bodies of at most `largest` bytes through; stands inside the edge, which gives the request its id."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self._app = app
        self._largest = largest
        self._detail = f"The body is larger than {largest} bytes; ask for less at a time."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._largest:
            problem = answer(BY_STATUS[_TOO_LARGE], self._detail, request_id=scope["state"]["request_id"])
            await problem(scope, receive, send)
            return
        size = 0

        async def counting() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._largest:
                raise HTTPException(_TOO_LARGE, self._detail)
            return message

        await self._app(scope, counting, send)
