"""An answer that goes on: server-sent events (HTML Standard, 9.2), ended where its reader takes nothing any more."""

import asyncio
import contextlib
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.live.following import Following
from api.methods import WITHOUT_BODY

MEDIA_TYPE: Final = "text/event-stream"
STALL: Final = 30.0
"""Seconds that a reader may take nothing, while its connection's buffers are full, before it is cut off."""

_AGAIN: Final = b"retry: 1000\n\n"


class EventStream(Response):
    """Sends what one follows; at the end of it, or when the reader goes, nothing is left behind."""

    media_type = f"{MEDIA_TYPE}; charset=utf-8"

    def __init__(self, following: Following) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends, or the reader goes."""
        if WITHOUT_BODY in scope.get("state", {}):
            self._following.close()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.create_task(self._send(send))
        going = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, going):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                await sending
            with contextlib.suppress(asyncio.CancelledError):
                await going
            self._following.close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": _AGAIN, "more_body": True})
        async with contextlib.aclosing(self._following.events()) as events:
            async for event in events:
                async with asyncio.timeout(STALL):
                    await send({"type": "http.response.body", "body": event.sse, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
