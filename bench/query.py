"""What ownership costs a reader: the query service's reads against the same SQL on the bare table, same driver."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, LiteralString

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.alternate import alternate
from bench.figure import Experiment, Figure
from fieldlab.assets.participant import Permission
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import keys, read
from fieldlab.storage.columns import fetch
from fieldlab.storage.database import open_async_engine, open_engine
from fieldlab.storage.selection import Selection
from fieldlab.storage.transaction import Bound
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine

STREAMS: Final = 500
PARTICIPANTS: Final = 20
SECONDS: Final = 7200
ROUNDS: Final = 15
BEGIN: Final = Instant.parse("2026-11-20T00:00:00Z")
READER: Final = "participant-1"

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role)
        SELECT 'participant-' || n, 'A participant', 'sme' FROM generate_series(1, %(participants)s) AS n;
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant WHERE slug = 'participant-1';
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT id, 's' || n, 'number', '1' FROM fieldlab.asset, generate_series(1, %(streams)s) AS n;
    INSERT INTO fieldlab.measurement (stream_id, time, value)
        SELECT s.id, %(begin)s + n * interval '1 second', sin(n) FROM fieldlab.stream AS s,
               generate_series(0, %(seconds)s - 1) AS n;
"""
_BARE: Final[LiteralString] = """
    SELECT time, value, text, status, origin FROM fieldlab.measurement
    WHERE stream_id = %(stream)s AND time >= %(start)s AND time < %(until)s ORDER BY time
"""
_BARE_BUCKETS: Final[LiteralString] = """
    SELECT stream_id, time_bucket('1 minute', time, timestamptz '1970-01-01Z') AS bucket, avg(value), min(value),
           max(value), count(*), bit_or(1 << (origin & 15)) FROM fieldlab.measurement
    WHERE stream_id = ANY (%(streams)s) AND time >= %(start)s AND time < %(until)s AND status >= 0
    GROUP BY 1, 2 ORDER BY 1, 2
"""


class _Readers:
    """A reader through ownership, and one straight at the table; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._loop = asyncio.new_event_loop()
        self._api = open_async_engine(database.api, name="bench", connections=1)
        self._bare = open_async_engine(database.admin, name="bench", connections=1)
        self._scope = self._loop.run_until_complete(self._authenticate(database.admin, self._api))

    @staticmethod
    async def _authenticate(admin: str, api: AsyncEngine) -> ReadScope:
        engine = open_engine(admin, name="bench")
        with engine.begin() as connection:
            issued = keys.issue(
                connection,
                participant=READER,
                principal="bench",
                permissions=frozenset({Permission.DATA_READ}),
                expires_at=Instant(Instant.now() + 3600 * SECOND),
            )
        engine.dispose()
        return await keys.authenticate(api, issued.token)

    def owned(self, selection: Selection) -> int:
        """Read through the decision; give the number of rows."""
        answer = self._loop.run_until_complete(read.measurements(self._scope, self._api, selection))
        return len(answer.rows)

    def bare(self, statement: LiteralString, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Read from the table itself, with the same driver and the same format."""

        async def ask() -> list[tuple[Any, ...]]:
            async with self._bare.begin() as connection:
                return await fetch(Bound(connection=connection, decided_at=BEGIN), statement, parameters)

        return self._loop.run_until_complete(ask())

    def close(self) -> None:
        """Close both."""
        self._loop.run_until_complete(self._api.dispose())
        self._loop.run_until_complete(self._bare.dispose())
        self._loop.close()


def _overhead(engine: Engine) -> Mapping[str, float]:
    with template(engine) as migrated, clone(migrated) as database:
        with psycopg.connect(database.admin, autocommit=True) as connection:
            parameters = {
                "participants": PARTICIPANTS,
                "streams": STREAMS,
                "seconds": SECONDS,
                "begin": BEGIN.datetime(),
            }
            with psycopg.ClientCursor(connection) as cursor:
                cursor.execute(_LAB, parameters)
            connection.execute("VACUUM ANALYZE")
            found = connection.execute("SELECT id FROM fieldlab.stream ORDER BY id").fetchall()
        streams = [id_ for (id_,) in found]
        readers = _Readers(database)
        try:
            hour = Interval(start=Instant(BEGIN + 1800 * SECOND), until=Instant(BEGIN + 5400 * SECOND))
            whole = Interval(start=BEGIN, until=Instant(BEGIN + SECONDS * SECOND))
            narrow = Selection(streams=("asset.s7",), interval=hour, limit=10_000)
            wide = Selection(
                streams=tuple(f"asset.s{n}" for n in range(1, STREAMS + 1)),
                interval=whole,
                limit=100_000,
                step=MINUTE,
                aggregates=(Aggregate.MEAN,),
            )
            row = {"stream": streams[6], "start": hour.start.datetime(), "until": hour.until.datetime()}
            rows = {"streams": streams, "start": whole.start.datetime(), "until": whole.until.datetime()}
            _same(readers.owned(narrow), len(readers.bare(_BARE, row)))
            _same(readers.owned(wide), len(readers.bare(_BARE_BUCKETS, rows)))
            narrowly = alternate(
                {"owned": lambda: readers.owned(narrow), "bare": lambda: readers.bare(_BARE, row)}, rounds=10 * ROUNDS
            )
            widely = alternate(
                {"owned": lambda: readers.owned(wide), "bare": lambda: readers.bare(_BARE_BUCKETS, rows)}, rounds=ROUNDS
            )
        finally:
            readers.close()
    return {
        "query.ownership_overhead_narrow": narrowly["owned"] / narrowly["bare"],
        "query.ownership_overhead_wide": widely["owned"] / widely["bare"],
    }


def _same(owned: int, bare: int) -> None:
    if owned != bare:
        raise AssertionError(f"The two reads differ: {owned} rows through ownership, {bare} from the table.")


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.ownership_overhead_narrow",
                meaning="one stream-hour through ownership ÷ the same rows straight from the table",
                most=1.2,
            ),
            Figure(
                name="query.ownership_overhead_wide",
                meaning="minute means of 500 streams through ownership ÷ the same SQL on the table",
                most=1.7,
            ),
        ),
        run=_overhead,
    ),
)
