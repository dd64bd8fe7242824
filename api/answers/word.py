"""The database's word that a reader may have what it is about to get: good for a while, and until rights change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Send

from api.ear import Ear

GOOD_FOR: Final = 0.5
"""Seconds for which the word holds where nothing is heard: a revocation is to be felt within one."""


class Word:
    """A word as it was given at a time; `ask` asks for it anew and raises where it is refused.

    Made before the database is asked, where that can be, so that no change of rights falls in between.
    """

    def __init__(self, ear: Ear, ask: Callable[[], Awaitable[None]] | None = None) -> None:
        self._ear = ear
        self._ask = ask
        self._given_at = time.monotonic()
        self._changed = ear.rights()

    def about(self, ask: Callable[[], Awaitable[None]] | None) -> None:
        """Say how the word is asked for anew; not at all for what was whole when it was decided."""
        self._ask = ask

    async def give(self, send: Send, message: Message) -> None:
        """Send a message, for as long as its reader takes and the word is given again and again."""
        if self._changed.done() or time.monotonic() - self._given_at > GOOD_FOR:
            await self._renew()
        taken = asyncio.create_task(_sent(send, message))
        try:
            while not taken.done():
                await asyncio.wait({taken, self._changed}, timeout=GOOD_FOR, return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    await self._renew()
            taken.result()
        finally:
            taken.cancel()

    async def _renew(self) -> None:
        given_at, changed = time.monotonic(), self._ear.rights()
        if self._ask is not None:
            await self._ask()
        self._given_at, self._changed = given_at, changed


async def _sent(send: Send, message: Message) -> None:
    await send(message)
