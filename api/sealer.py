"""The ledger's clerk in each query service: writes how answers ended, many at a time, and seals what waits."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.stopping import stopped
from fieldlab.errors import Unavailable
from fieldlab.ownership.access import NOTHING_SEALED, End
from fieldlab.storage import sealing

_log: Final = logging.getLogger("fieldlab.api")

_PAUSE: Final = 1.0
"""Seconds between two sealings."""

_AT_ONCE: Final = 1_000
_MOST: Final = 100_000
"""Ends that are kept while the database is away; beyond that entries stay without their number of rows."""


class Ends:
    """How answers of this process ended, until that is written; `checkpoint` is the newest one that it knows."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[End] = deque(maxlen=_MOST)
        self.checkpoint = NOTHING_SEALED

    def add(self, end: End) -> None:
        """Take the end of an answer that was noted in the ledger; it is written within about a second."""
        self._waiting.append(end)

    async def flush(self) -> None:
        """Write the ends that are there and seal what waits; raises Unavailable if the database is away."""
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                await sealing.end(self._engine, some)
            except BaseException:
                self._waiting.extendleft(reversed(some))
                raise
        self.checkpoint = await sealing.seal(self._engine)


@asynccontextmanager
async def sealing_while(engine: AsyncEngine) -> AsyncIterator[Ends]:
    """Write and seal once a second, and a last time at the end."""
    ends = Ends(engine)
    clerk = asyncio.create_task(_work(ends), name="ledger")
    try:
        yield ends
    finally:
        await stopped(clerk)
        await _flush(ends)


async def _work(ends: Ends) -> None:
    while True:
        await _flush(ends)
        await asyncio.sleep(_PAUSE)


async def _flush(ends: Ends) -> None:
    try:
        await ends.flush()
    except Unavailable as error:
        _log.warning("the ledger waits: %s (%s)", error, error.__cause__)
    except SQLAlchemyError:
        _log.exception("the ledger could not be sealed")
