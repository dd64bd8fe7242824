"""What every answer that goes on has in common: it ends where its reader goes, and leaves nothing behind."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.live.following import Following

STALL: Final = 30.0
"""Seconds that a reader may take nothing, while its connection's buffers are full, before it is cut off."""


class Wire(Response, ABC):
    """Sends what one follows, as its subclass writes it."""

    def __init__(self, following: Following, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self.following: Final = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends, or the reader goes."""
        del scope
        sending = asyncio.create_task(self.sent(send))
        going = asyncio.create_task(_gone(receive))
        with contextlib.closing(self.following):
            try:
                await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, going):
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await going
                with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                    await sending

    @abstractmethod
    async def sent(self, send: Send) -> None:
        """Send all events, and end; raises TimeoutError for a reader that takes nothing."""


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
