"""WebSocket (RFC 6455): the same events as text messages; what a client sends is not read."""

import asyncio
import contextlib
from enum import IntEnum
from typing import Final

from starlette.types import Send

from api.live.event import Kind, Reason
from api.live.wire import STALL, Wire
from api.upgrade import SWITCHING
from fieldlab.errors import Unavailable


class Code(IntEnum):
    """Why a connection is closed (RFC 6455, 7.4.1, and IANA's WebSocket Close Code Number Registry)."""

    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


CODES: Final = {
    Reason.AGREEMENT_TERMINATED: Code.POLICY_VIOLATION,
    Reason.AGREEMENT_SUSPENDED: Code.POLICY_VIOLATION,
    Reason.AGREEMENT_EXPIRED: Code.POLICY_VIOLATION,
    Reason.BREAK_GLASS_CLOSED: Code.POLICY_VIOLATION,
    Reason.CREDENTIAL_VOID: Code.POLICY_VIOLATION,
    Reason.UNAVAILABLE: Code.TRY_AGAIN_LATER,
    Reason.STOPPING: Code.SERVICE_RESTART,
}
"""The code that goes with each reason of the last event."""


class SocketStream(Wire):
    """Sends what one follows as messages; the last one says why it is over, and the code after it says so once more."""

    async def sent(self, send: Send) -> None:
        """Send all events, and close."""
        await send({"type": "http.response.start", "status": SWITCHING, "headers": self.raw_headers})
        try:
            last = await self._told(send)
        except Unavailable:
            await _close(send, Code.TRY_AGAIN_LATER, Reason.UNAVAILABLE)
        except (TimeoutError, OSError):
            raise
        except Exception:
            await _close(send, Code.INTERNAL_ERROR, "internal")
            raise
        else:
            await _close(send, CODES[last], last)

    async def _told(self, send: Send) -> Reason:
        """Send all events; give the reason that the last one has."""
        reason = Reason.UNAVAILABLE
        async with contextlib.aclosing(self.following.events()) as events:
            async for event in events:
                async with asyncio.timeout(STALL):
                    await send({"type": "websocket.send", "text": event.message})
                if event.kind is Kind.END:
                    reason = Reason(event.data["reason"])
        return reason


async def _close(send: Send, code: Code, why: str) -> None:
    async with asyncio.timeout(STALL):
        await send({"type": "websocket.close", "code": int(code), "reason": str(why)})
