"""What plain PostgreSQL is given in place of TimescaleDB's functions answers as they do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.database import Database

Connections = tuple[psycopg.Connection, psycopg.Connection]
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
WIDTHS = st.one_of(
    st.integers(1, 10**6).map(lambda n: timedelta(microseconds=n)),
    st.integers(1, 10**6).map(lambda n: timedelta(seconds=n)),
    st.integers(1, 5000).map(lambda n: timedelta(hours=n)),
    st.integers(1, 5000).map(lambda n: timedelta(days=n)),
)
PAIRS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=True, width=32)),
        st.one_of(st.none(), st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=st.just(UTC))),  # noqa: DTZ001
    ),
    max_size=12,
)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connections(databases: tuple[Database, Database]) -> Iterator[Connections]:
    plain, timescaledb = (psycopg.connect(database.admin, autocommit=True) for database in databases)
    with plain, timescaledb:
        yield plain, timescaledb


def asked(connections: Connections, statement: str, parameters: list[object]) -> list[object]:
    """What each engine answers, or the class of its refusal."""
    answers: list[object] = []
    for connection in connections:
        try:
            answers.append(connection.execute(statement.encode(), parameters).fetchall())
        except psycopg.Error:
            answers.append("refused")
    return answers


@FEW
@given(width=WIDTHS, moment=MOMENTS)
def test_buckets_begin_at_the_same_time(connections: Connections, width: timedelta, moment: datetime) -> None:
    plain, timescaledb = asked(
        connections, "SELECT public.time_bucket(%s::interval, %s::timestamptz)::text", [width, moment]
    )
    assert plain == timescaledb != "refused"


@FEW
@given(width=WIDTHS, moment=MOMENTS, origin=MOMENTS)
def test_buckets_of_an_origin_begin_at_the_same_time(
    connections: Connections, width: timedelta, moment: datetime, origin: datetime
) -> None:
    statement = "SELECT public.time_bucket(%s::interval, %s::timestamptz, %s::timestamptz)::text"
    plain, timescaledb = asked(connections, statement, [width, moment, origin])
    assert plain == timescaledb != "refused"


@pytest.mark.parametrize("width", [timedelta(0), timedelta(seconds=-1)])
def test_a_width_of_nothing_is_refused(connections: Connections, width: timedelta) -> None:
    statement = "SELECT public.time_bucket(%s::interval, timestamptz '2026-01-01Z')"
    assert asked(connections, statement, [width]) == ["refused", "refused"]


@FEW
@given(pairs=PAIRS)
def test_first_and_last_are_the_same(
    connections: Connections, pairs: list[tuple[float | None, datetime | None]]
) -> None:
    statement = """
        SELECT public.first(value, at)::text, public.last(value, at)::text
        FROM unnest(%s::float8[], %s::timestamptz[]) WITH ORDINALITY AS sample (value, at, number)
    """
    plain, timescaledb = asked(connections, statement, [[value for value, _ in pairs], [at for _, at in pairs]])
    assert plain == timescaledb != "refused"


def test_nothing_has_no_first_and_no_last(connections: Connections) -> None:
    statement = "SELECT public.first(1.0::float8, now()), public.last(1.0::float8, now()) WHERE false"
    assert asked(connections, statement, []) == [[(None, None)], [(None, None)]]
