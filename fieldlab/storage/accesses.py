"""The seam of the access ledger: the one place that hears of every answer with measurements.

`note` is called once an answer, in the transaction of the decision, after it is made and before a row is read; what it
executes travels with the read.
"""

from fieldlab.ownership.access import Access
from fieldlab.storage.pool import Connection


async def note(connection: Connection, access: Access) -> None:
    """Hear of an access within the transaction of its decision, in pipeline mode: fetch no result here."""
