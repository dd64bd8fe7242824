"""What happens to the access ledger after a decision: answers end, and what waits is sealed.

Neither needs a caller's credential: it may be void by then. Both can only add.
"""

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.access import End
from fieldlab.storage.transaction import reached

_END: Final = text("SELECT visible.end_accesses(CAST(:ends AS jsonb))")
"""Writes how answers ended."""

_SEAL: Final = text("SELECT visible.seal_ledger()")
"""Gives what waits its leaves, and makes a checkpoint."""


async def end(engine: AsyncEngine, ends: Iterable[End]) -> int:
    """Write how answers ended that were noted without rows, each once; gives how many had not ended yet."""
    written = [
        {"access": str(one.access), "outcome": one.kind.value, "reason": one.reason, "rows": [*one.rows]}
        for one in ends
    ]
    if not written:
        return 0
    with reached():
        async with engine.begin() as connection:
            return int(await connection.scalar(_END, {"ends": json.dumps(written)}) or 0)


async def seal(engine: AsyncEngine) -> int:
    """Seal what is committed and waits, in the order found; gives the number of new leaves. Any process may."""
    with reached():
        grown = 0
        while True:
            async with engine.begin() as connection:
                added = int(await connection.scalar(_SEAL) or 0)
            grown += added
            if not added:
                return grown
