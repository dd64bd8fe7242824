"""Hearing that something arrived or that rights changed: a hint to look at once, never the only reason to look."""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import psycopg

from fieldlab.storage.connect import connect_async

_log: Final = logging.getLogger("fieldlab.storage")


class Announced(StrEnum):
    """What is announced, by the name of its channel."""

    MEASUREMENTS = "fieldlab_measurements"
    RIGHTS = "fieldlab_rights"


# Hears of every batch that the gateways write.
_LISTEN_FOR_MEASUREMENTS: Final = "LISTEN fieldlab_measurements"

# Hears that an agreement, a key or a tenure is no longer what it was.
_LISTEN_FOR_RIGHTS: Final = "LISTEN fieldlab_rights"

_AGAIN: Final = 5.0
"""Seconds between two tries to hear again."""


async def heard(url: str, tell: Callable[[Announced], None], *, name: str) -> None:
    """Tell of every announcement until cancelled; a connection that is lost is opened again.

    What was announced before it listened may be anything, so it begins by telling everything.
    """
    while True:
        try:
            async with await connect_async(url, name=name) as connection:
                await connection.execute(_LISTEN_FOR_MEASUREMENTS)
                await connection.execute(_LISTEN_FOR_RIGHTS)
                for what in Announced:
                    tell(what)
                async for notice in connection.notifies():
                    tell(Announced(notice.channel))
        except psycopg.Error as error:
            _log.warning("announcements are not heard, so data and rights are looked at from time to time: %s", error)
        await asyncio.sleep(_AGAIN)
