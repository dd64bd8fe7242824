"""Server-sent events (HTML Standard, 9.2): the wire of browsers and of plain HTTP."""

import asyncio
import contextlib
from typing import Final

from starlette.types import Receive, Scope, Send

from api.live.following import Following
from api.live.wire import STALL, Wire
from api.methods import WITHOUT_BODY

MEDIA_TYPE: Final = "text/event-stream"
_AGAIN: Final = b"retry: 1000\n\n"


class EventStream(Wire):
    """Sends what one follows as server-sent events."""

    media_type = f"{MEDIA_TYPE}; charset=utf-8"

    def __init__(self, following: Following) -> None:
        super().__init__(following, headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends, or the reader goes; to HEAD, the head alone."""
        if WITHOUT_BODY not in scope.get("state", {}):
            await super().__call__(scope, receive, send)
            return
        self.following.close()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b""})

    async def sent(self, send: Send) -> None:
        """Send all events, and end."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": _AGAIN, "more_body": True})
        async with contextlib.aclosing(self.following.events()) as events:
            async for event in events:
                async with asyncio.timeout(STALL):
                    await send({"type": "http.response.body", "body": event.sse, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
