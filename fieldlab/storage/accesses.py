"""The seam of the access ledger: the one place that hears of every answer with measurements.

`note` is called once an answer, in the transaction of the decision, after it is made and before a row is read; what it
executes travels with the read.
"""

from typing import Final
from uuid import UUID

from fieldlab.ownership.access import Access
from fieldlab.storage.ledger import NOTE, noting
from fieldlab.storage.pool import Connection

_NAME: Final = "SELECT set_config('fieldlab.access', %(entry)s, true)"
"""Names the running entry to the transaction; the database looks it up."""


async def note(connection: Connection, access: Access | None, *, part_of: UUID | None = None) -> None:
    """Write an access within the transaction of its decision, in pipeline mode, or name the one that this is a part of.

    The database gives rows of what the entry tells of, and no others. Its end is told to the process's clerk, who
    writes how many rows had left.
    """
    if access is not None:
        await connection.execute(NOTE, noting(access))
    elif part_of is not None:
        await connection.execute(_NAME, {"entry": str(part_of)})
