"""The rights that a reader holds, for whoever lists them rather than reads on them."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text

from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.decision import Right
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.instant import FOREVER
from fieldlab.storage import agreements
from fieldlab.storage.transaction import Bound

_RIGHTS: Final = text("SELECT * FROM visible.segments(:streams, :start, :until)")
"""Which stretches of streams the reader may see, cut at tenure boundaries."""


async def held(bound: Bound, keys: Sequence[int], interval: Interval) -> tuple[list[Right], Mapping[UUID, Agreement]]:
    """Give the reader's rights to streams within an interval, and the agreements behind them."""
    asked = {"streams": list(keys), "start": interval.start, "until": min(interval.until, FOREVER)}
    rights = [
        Right(
            stream=row.stream,
            interval=Interval(start=row.start, until=row.until),
            tenure=row.tenure,
            owner=row.owner,
            trial=row.trial,
            kind=BasisKind(row.basis),
            agreement=row.agreement,
        )
        for row in await bound.connection.execute(_RIGHTS, asked)
    ]
    found = {right.agreement for right in rights if right.agreement is not None}
    return rights, await agreements.of_ids(bound, found) if found else {}
