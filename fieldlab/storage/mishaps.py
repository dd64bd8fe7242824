"""What did not become measurements: rejects, and known holes in streams."""

from collections.abc import Sequence
from typing import Final

import psycopg

from fieldlab.storage.account import Refusal
from fieldlab.storage.batch import StreamGap

# Keeps what could not become a measurement, even of a source that is gone meanwhile.
_REJECT: Final = """
    INSERT INTO fieldlab.reject (source_id, source, stream_id, received_at, reason, detail, raw, address, time, samples)
    SELECT s.id, coalesce(s.slug, 'source ' || given.source), given.stream, given.received_at, given.reason,
           given.detail, given.raw, given.address, given.time, given.samples
    FROM unnest(%s::integer[], %s::integer[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[], %s::text[],
                %s::timestamptz[], %s::integer[])
        AS given (source, stream, received_at, reason, detail, raw, address, time, samples)
    LEFT JOIN fieldlab.source AS s ON s.id = given.source
"""

# Keeps known holes of streams that are still there.
_GAP: Final = """
    INSERT INTO fieldlab.gap (stream_id, start, until, cause, heard)
    SELECT hole.stream_id, hole.start, hole.until, hole.cause, hole.heard
    FROM unnest(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[])
        AS hole (stream_id, start, until, cause, heard)
    JOIN fieldlab.stream AS s ON s.id = hole.stream_id
"""

# Closes holes that were told before, with how many samples were fetched for each.
_CLOSE_GAP: Final = """
    SELECT fieldlab.close_gaps(%s::integer[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::bigint[])
"""


def storable(text: str) -> str:
    """Make a text that PostgreSQL keeps: NUL characters are shown as ␀, half surrogate pairs by their number."""
    return text.replace("\0", "\u2400").encode(errors="backslashreplace").decode()


def note_rejects(connection: psycopg.Connection, refusals: Sequence[Refusal]) -> None:
    """Keep what could not become a measurement."""
    if not refusals:
        return
    rejects = [one.reject for one in refusals]
    connection.execute(
        _REJECT,
        [
            [one.source for one in refusals],
            [one.stream for one in refusals],
            [reject.received_at for reject in rejects],
            [reject.reason.value for reject in rejects],
            [storable(reject.detail) for reject in rejects],
            [reject.raw for reject in rejects],
            [None if reject.address is None else storable(reject.address) for reject in rejects],
            [reject.time for reject in rejects],
            [reject.samples for reject in rejects],
        ],
    )


def note_gaps(connection: psycopg.Connection, gaps: Sequence[StreamGap]) -> None:
    """Keep known holes, and close those that were told before and have been mended."""
    told = [gap for gap in gaps if gap.recovered is None]
    closed = [gap for gap in gaps if gap.recovered is not None]
    if told:
        connection.execute(_GAP, [*_bounds(told), [gap.heard for gap in told]])
    if closed:
        connection.execute(_CLOSE_GAP, [*_bounds(closed), [gap.recovered for gap in closed]])


def _bounds(gaps: Sequence[StreamGap]) -> list[list[object]]:
    return [
        [gap.stream for gap in gaps],
        [gap.start for gap in gaps],
        [gap.until for gap in gaps],
        [gap.cause.value for gap in gaps],
    ]
