"""Bounds of buckets that are in no order must not reach into a bucket that a floor seals."""

import psycopg
import pytest

from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.selection import Selection
from tests.integration.ownership.floor import CURRENT, MONDAY, Floor
from tests.integration.ownership.pact import pact, writing

NOON = Instant(MONDAY + 720 * MINUTE)
BUCKETS = """
    SELECT start, median, time_weighted_mean, p95
    FROM visible.buckets('{0}', ARRAY[%(stream)s], ARRAY[%(tenure)s], ARRAY[%(start)s::timestamptz],
                         ARRAY[%(until)s::timestamptz], NULL, false, 1000, ARRAY[%(id)s], %(edges)s::timestamptz[],
                         '{median,p95,time_weighted_mean}')
"""


@pytest.mark.parametrize("second", [10, 59])
async def test_bounds_in_no_order_show_no_part_of_a_sealed_bucket(floor: Floor, second: int) -> None:
    """PostgreSQL finds a place among bounds by halving, and finds another one for the bucket's own beginning."""
    await writing(floor)
    floor.store(CURRENT, [(Instant(NOON + n * SECOND), float(n)) for n in range(600)])
    made = await pact(floor, resolution_floor=MINUTE, aggregates=tuple(Aggregate))
    asked = Selection(streams=(CURRENT,), interval=ALWAYS, step=MINUTE, aggregates=(Aggregate.MEDIAN,), limit=1000)
    (segment,) = (await read.measurements(floor.scopes["outsider"], floor.pool, asked)).segments
    bounds = Interval(start=NOON, until=Instant(NOON + 10 * MINUTE))

    def at(seconds: int) -> str:
        return str(Instant(NOON + seconds * SECOND))

    # A sealed bucket begins at minute 5; samples from it up to `second` alone would fall between the fifth and sixth.
    edges = [at(0), at(540), at(545), at(290), at(120), at(300 + second), at(550)]
    with floor.attacking("outsider") as attacker, pytest.raises(psycopg.errors.InvalidParameterValue):
        attacker.execute(
            BUCKETS.encode(),
            {
                "stream": segment.stream,
                "tenure": segment.tenure,
                "start": str(bounds.start),
                "until": str(bounds.until),
                "id": made.id,
                "edges": edges,
            },
        ).fetchall()
