"""What a participant may see, as segments, without asking the product for an answer: nothing is noted in the ledger."""

from collections.abc import Sequence

import psycopg

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.segment import Basis, BasisKind, Segment
from fieldlab.storage.database import adapt
from tests.integration.ownership.floor import Floor

RIGHTS = """
    SELECT e.stream_id, e.start, e.until, e.tenure_id, o.slug, r.slug, e.basis, e.agreement_id
    FROM fieldlab.permitted AS e
    JOIN fieldlab.participant AS me ON me.id = e.reader_id
    JOIN fieldlab.participant AS o ON o.id = e.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
    WHERE me.slug = %s AND e.stream_id = ANY (%s) AND e.basis <> 'preview' ORDER BY array_position(%s, e.stream_id), 2
"""


def segments_of(floor: Floor, who: str, streams: Sequence[str]) -> tuple[Segment, ...]:
    """Give all that a participant may see of streams."""
    keys = [floor.streams[stream] for stream in streams]
    with psycopg.connect(floor.database.admin) as admin:
        adapt(admin)
        rows = admin.execute(RIGHTS, [who, keys, keys]).fetchall()
    return tuple(
        Segment(
            number=number,
            stream=stream,
            interval=Interval(start=start, until=until),
            tenure=tenure,
            owner=owner,
            trial=trial,
            basis=Basis(kind=BasisKind(basis), agreement=agreement),
        )
        for number, (stream, start, until, tenure, owner, trial, basis, agreement) in enumerate(rows)
    )
