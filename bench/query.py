"""What ownership costs a reader: the query service's reads against the same SQL on the bare table, same driver."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from bench.alternate import alternate
from bench.figure import Experiment, Figure
from bench.shared_lab import BEGIN, MIDDLE, READER, STREAMS, UNTIL, scope_of, share
from fieldlab.ownership.access import AccessKind
from fieldlab.ownership.decision import NOTHING_SAID
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE
from fieldlab.storage import read
from fieldlab.storage.deciding import Question, deciding
from fieldlab.storage.pool import Pool, counting, open_pool
from fieldlab.storage.selection import Selection
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine

ROUNDS: Final = 15
NEIGHBOUR: Final = "participant-9"
"""A participant without agreements, who had stream 7 in the first hour."""

HOUR: Final = 60 * MINUTE
DECIDED: Final = 1000
T = TypeVar("T")

_BARE: Final[LiteralString] = """
    SELECT time, value, text, status, origin FROM fieldlab.measurement
    WHERE stream_id = %(stream)s AND time >= %(start)s AND time < %(until)s ORDER BY time
"""
_BARE_BUCKETS: Final[LiteralString] = """
    SELECT stream_id, time_bucket('1 hour', time, timestamptz '1970-01-01Z') AS bucket, avg(value)
    FROM fieldlab.measurement
    WHERE stream_id = ANY (%(streams)s) AND time >= %(start)s AND time < %(until)s AND status >= 0
    GROUP BY 1, 2 ORDER BY 1, 2
"""


class _Readers:
    """Readers through ownership, and one straight at the table; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._loop = asyncio.new_event_loop()
        self._open = AsyncExitStack()
        self._api = self._pool(database.api)
        self._bare = self._pool(database.admin)

    def scope(self, database: Database, participant: str) -> ReadScope:
        """Give the right to read of a participant."""
        return self._run(scope_of(database, participant))

    def owned(self, scope: ReadScope, selection: Selection) -> int:
        """Read through the decision; give the number of rows."""
        return len(self._run(read.measurements(scope, self._api, selection)).rows)

    def decided(self, scope: ReadScope, question: Question) -> int:
        """Decide alone; give the number of segments."""

        async def ask() -> int:
            async with deciding(scope, self._api, question) as decided:
                await decided.close()
                return len(decided.segments)

        return self._run(ask())

    def bare(self, statement: LiteralString, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Read from the table itself, with the same driver and pool, in PostgreSQL's binary format."""

        async def ask() -> list[tuple[Any, ...]]:
            async with (
                self._bare.connection() as connection,
                connection.transaction(),
                counting(connection) as cursor,
            ):
                await cursor.execute(statement, parameters)
                return await cursor.fetchall()

        return self._run(ask())

    def close(self) -> None:
        """Close both."""
        self._run(self._open.aclose())
        self._loop.close()

    def _pool(self, url: str) -> Pool:
        return self._run(self._open.enter_async_context(open_pool(url, name="bench", connections=1)))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


def _overhead(engine: Engine) -> Mapping[str, float]:
    with template(engine) as migrated, clone(migrated) as database:
        share(database)
        with psycopg.connect(database.admin) as connection:
            found = connection.execute("SELECT id FROM fieldlab.stream ORDER BY id").fetchall()
        streams = [id_ for (id_,) in found]
        readers = _Readers(database)
        try:
            neighbour, reader = readers.scope(database, NEIGHBOUR), readers.scope(database, READER)
            hour = Interval(start=BEGIN, until=MIDDLE)
            whole = Interval(start=BEGIN, until=UNTIL)
            every = tuple(f"asset.s{n}" for n in range(1, STREAMS + 1))
            narrow = Selection(streams=("asset.s7",), interval=hour, limit=10_000)
            wide = Selection(streams=every, interval=whole, limit=100_000, step=HOUR, aggregates=(Aggregate.MEAN,))
            row = {"stream": streams[6], "start": hour.start.datetime(), "until": hour.until.datetime()}
            rows = {"streams": streams, "start": whole.start.datetime(), "until": whole.until.datetime()}
            _same(readers.owned(neighbour, narrow), len(readers.bare(_BARE, row)))
            _same(readers.owned(reader, narrow), len(readers.bare(_BARE, row)))
            _same(readers.owned(reader, wide), len(readers.bare(_BARE_BUCKETS, rows)))
            narrowly = alternate(
                {
                    "owned": lambda: readers.owned(neighbour, narrow),
                    "agreed": lambda: readers.owned(reader, narrow),
                    "bare": lambda: readers.bare(_BARE, row),
                },
                rounds=10 * ROUNDS,
            )
            widely = alternate(
                {"owned": lambda: readers.owned(reader, wide), "bare": lambda: readers.bare(_BARE_BUCKETS, rows)},
                rounds=ROUNDS,
            )
        finally:
            readers.close()
    return {
        "query.ownership_overhead_narrow": narrowly["owned"] / narrowly["bare"],
        "query.ownership_overhead_agreed": narrowly["agreed"] / narrowly["bare"],
        "query.ownership_overhead_wide": widely["owned"] / widely["bare"],
    }


def _decision(engine: Engine) -> Mapping[str, float]:
    with template(engine) as migrated, clone(migrated) as database:
        share(database, streams=DECIDED, seconds=1)
        readers = _Readers(database)
        try:
            reader = readers.scope(database, READER)
            every = tuple(f"asset.s{n}" for n in range(1, DECIDED + 1))
            question = Question(streams=every, interval=ALWAYS, ask=NOTHING_SAID, kind=AccessKind.MEASUREMENTS)
            _same(readers.decided(reader, question), 2 * DECIDED)
            taken = alternate({"decided": lambda: readers.decided(reader, question)}, rounds=2 * ROUNDS)
        finally:
            readers.close()
    return {"query.decision_ms": taken["decided"] * 1000}


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
                name="query.ownership_overhead_agreed",
                meaning="the same hour as another's, under one of 100 agreements ÷ the same rows from the table",
                most=1.2,
            ),
            Figure(
                name="query.ownership_overhead_wide",
                meaning="hourly means of 500 streams under 100 agreements ÷ the SQL for them on the table",
                most=1.7,
            ),
        ),
        run=_overhead,
    ),
    Experiment(
        figures=(
            Figure(
                name="query.decision_ms",
                meaning="milliseconds to decide on 1,000 streams with 2,000 tenures and 200 agreements",
                most=50,
            ),
        ),
        run=_decision,
    ),
)
