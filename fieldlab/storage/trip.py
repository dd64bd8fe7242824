"""One trip to the database: statements that leave together; their rows are fetched when all of them have run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection


@asynccontextmanager
async def trip(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Run what is executed in the block as one trip; rows are fetched behind it, since fetching in it is another trip.

    Raises the error of the statement that failed, not of those behind it that were never run.
    """
    try:
        async with connection.pipeline():
            yield
    except psycopg.errors.PipelineAborted as aborted:
        if isinstance(aborted.__context__, psycopg.Error):
            raise aborted.__context__ from None
        raise
