"""Gaps that are still open, for the gateway that may fetch what is missing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg

from fieldlab.errors import Unavailable
from fieldlab.readings.gap import EARLIER, Cause, OpenGap
from fieldlab.storage.connect import connect
from fieldlab.storage.copy import told

MOST: Final = 100_000
"""Gaps of streams that are read at once, the newest."""

_EARLIER: Final = timedelta(microseconds=EARLIER)

# Gives the newest open gaps of the streams that sources feed, and how much is known of each.
_OPEN: Final = "SELECT source, address, start, until, cause, heard, known FROM fieldlab.open_gaps(%s, %s, %s)"


def open_gaps(url: str, sources: Sequence[int]) -> dict[int, list[OpenGap]]:
    """Give the open gaps of what is bound at these sources, by source; raises Unavailable."""
    found: dict[int, list[OpenGap]] = {source: [] for source in sources}
    try:
        with connect(url, name="fieldlab gateway gaps") as connection:
            for source, address, start, until, cause, heard, known in connection.execute(
                _OPEN, [list(sources), _EARLIER, MOST]
            ):
                found[source].append(
                    OpenGap(
                        address=address,
                        start=start,
                        until=until,
                        cause=Cause(cause),
                        heard=heard,
                        known=known,
                    )
                )
    except psycopg.Error as error:
        raise Unavailable(f"The open gaps cannot be read: {told(error)}.") from error
    return found
