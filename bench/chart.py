"""How long a chart of a year takes: one stream with a sample a second, a thousand points."""

import asyncio
from collections.abc import Mapping
from statistics import median
from time import perf_counter
from typing import Final, LiteralString

import psycopg

from bench.figure import Experiment, Figure
from bench.shared_lab import scope_of
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage import read
from fieldlab.storage.pool import open_pool
from fieldlab.storage.selection import Selection
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine

DAY: Final = 24 * 3600 * SECOND
DAYS: Final = 365
AT_ONCE: Final = 5
BEGIN: Final = Instant.parse("2025-11-01T00:00:00Z")
POINTS: Final = 1000
READER: Final = "participant"
MOST: Final = 200
"""Milliseconds, where the engine keeps rollups."""

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role) VALUES (%(reader)s, 'A participant', 'sme');
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit) SELECT id, 's', 'number', '1' FROM fieldlab.asset;
"""
_DAYS: Final[LiteralString] = """
    INSERT INTO fieldlab.measurement (stream_id, time, value)
    SELECT (SELECT id FROM fieldlab.stream), %(begin)s + n * interval '1 second', sin(n / 7000.0) * 10 + n %% 17
    FROM generate_series(0, %(seconds)s - 1) AS n
"""
_REFRESH: Final[LiteralString] = "CALL public.refresh_continuous_aggregate(%s, NULL, NULL)"


def _chart_of_a_year(engine: Engine) -> Mapping[str, float]:
    with template(engine) as migrated, clone(migrated) as database:
        rolled = _measure_for_a_year(database)
        taken = asyncio.run(_charts(database, rounds=9 if rolled else 1))
    if rolled and taken > MOST:
        raise AssertionError(f"A chart of a year takes {taken:.0f} ms from rollups; it should take {MOST} at most.")
    return {"query.chart_year_ms": taken}


def _measure_for_a_year(database: Database) -> bool:
    """Store a year of seconds; tell whether the engine keeps rollups."""
    with psycopg.connect(database.admin, autocommit=True) as connection:
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_LAB, {"reader": READER})
        kept = connection.execute("SELECT FROM fieldlab.platform WHERE engine = 'community'").fetchall()
        rollups = ["fieldlab.measurement_1m", "fieldlab.measurement_1h"] if kept else []
        for rollup in rollups:
            connection.execute("SELECT public.remove_continuous_aggregate_policy(%s)", [rollup])
        for first in range(0, DAYS, AT_ONCE):
            begin = Instant(BEGIN + first * DAY).datetime()
            connection.execute(_DAYS, {"begin": begin, "seconds": AT_ONCE * DAY // SECOND})
        for rollup in rollups:
            connection.execute(_REFRESH, [rollup])
        connection.execute("ANALYZE")
    return bool(rollups)


async def _charts(database: Database, *, rounds: int) -> float:
    """Draw the chart several times; give the median in milliseconds, through the decision."""
    scope = await scope_of(database, READER)
    year = Interval(start=BEGIN, until=Instant(BEGIN + DAYS * DAY))
    selection = Selection(streams=("asset.s",), interval=year, points=POINTS)
    taken: list[float] = []
    async with open_pool(database.api, name="bench", connections=1) as pool:
        for _ in range(rounds):
            begun = perf_counter()
            answer = await read.measurements(scope, pool, selection)
            taken.append((perf_counter() - begun) * 1000)
            if not POINTS * 0.9 < len(answer.rows) <= POINTS:
                raise AssertionError(f"The chart has {len(answer.rows)} points instead of {POINTS}.")
    return median(taken)


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.chart_year_ms",
                meaning=f"milliseconds for {POINTS} points of a year of seconds; at most {MOST} where rollups are kept",
            ),
        ),
        run=_chart_of_a_year,
    ),
)
