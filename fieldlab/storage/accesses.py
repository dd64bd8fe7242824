"""The seam of the access ledger: the one place that hears of every answer with measurements.

`note` is called once an answer, in the transaction of the decision, after it is made and before a row is read; what it
executes travels with the read.
"""

from fieldlab.ownership.access import Access
from fieldlab.storage.ledger import NOTE, noting
from fieldlab.storage.pool import Connection


async def note(connection: Connection, access: Access | None) -> None:
    """Write an access within the transaction of its decision, in pipeline mode; nothing for a part of one noted before.

    Its end is told to the process's clerk, who writes how many rows had left.
    """
    if access is not None:
        await connection.execute(NOTE, noting(access))
