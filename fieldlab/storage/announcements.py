"""Hearing that something arrived: a hint to look at once, never the only reason to look."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import psycopg

from fieldlab.storage.connect import connect_async

_log: Final = logging.getLogger("fieldlab.storage")

# Hears of every batch that the gateways write.
_LISTEN: Final = "LISTEN fieldlab_measurements"

_AGAIN: Final = 5.0
"""Seconds between two tries to hear again."""


async def heard(url: str, tell: Callable[[], None], *, name: str) -> None:
    """Tell of every announcement until cancelled; a connection that is lost is opened again."""
    while True:
        try:
            async with await connect_async(url, name=name) as connection:
                await connection.execute(_LISTEN)
                tell()
                async for _ in connection.notifies():
                    tell()
        except psycopg.Error as error:
            _log.warning("announcements are not heard, so data is looked for from time to time: %s", error)
        await asyncio.sleep(_AGAIN)
