"""Statements that travel together: all of them run in one trip, and what failed is what the caller hears of."""

import psycopg
import pytest

from fieldlab.storage.pool import Connection, open_pool
from fieldlab.storage.trip import trip
from tests.servers.database import Database


async def test_rows_are_there_when_the_trip_is_over(database: Database) -> None:
    async with open_pool(database.api, name="tests of trips", connections=1) as pool, pool.connection() as connection:
        async with trip(connection):
            first = await connection.execute("SELECT 1")
            second = await connection.execute("SELECT 2")
        assert [await first.fetchall(), await second.fetchall()] == [[(1,)], [(2,)]]


async def fail_midway(connection: Connection) -> None:
    async with trip(connection):
        await connection.execute("BEGIN")
        await connection.execute("SELECT 1 / 0")
        await connection.execute("SELECT 2")
        await connection.execute("COMMIT")


async def test_the_statement_that_failed_is_told_not_those_behind_it_that_never_ran(database: Database) -> None:
    async with open_pool(database.api, name="tests of trips", connections=1) as pool, pool.connection() as connection:
        for _ in range(20):
            with pytest.raises(psycopg.errors.DivisionByZero):
                await fail_midway(connection)
            await connection.execute("ROLLBACK")
