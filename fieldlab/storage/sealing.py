"""What happens to the access ledger after a decision: answers end, and what waits is sealed.

Neither needs a caller's credential: it may be void by then. Both can only add.
"""

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.access import Checkpoint, End
from fieldlab.storage.transaction import reached

_END: Final = text("SELECT visible.end_accesses(CAST(:ends AS jsonb))")
"""Writes how answers ended."""

_SEAL: Final = text("SELECT grown, size, root FROM visible.seal()")
"""Gives what waits its leaves, makes a checkpoint, and tells the newest."""

_SET: Final = 10_000
"""Entries that are sealed at once; each has a leaf at least, except the ends of some."""


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


async def seal(engine: AsyncEngine) -> Checkpoint:
    """Seal what is committed and waits, in the order found, and give the newest checkpoint. Any process may.

    What comes meanwhile waits for the next time, unless a whole set has been sealed: then more may have waited.
    """
    with reached():
        while True:
            async with engine.begin() as connection:
                row = (await connection.execute(_SEAL)).one()
            if row.grown < _SET:
                return Checkpoint(size=row.size, root=row.root)
