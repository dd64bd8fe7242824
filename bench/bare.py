"""`python -m bench.bare PORT`: the newest value of a stream, without ownership, as FastAPI is usually written."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request
from psycopg_pool import AsyncConnectionPool

_LATEST: Final = """
    SELECT m.time, m.value, m.status FROM fieldlab.stream AS s CROSS JOIN LATERAL (
        SELECT * FROM fieldlab.measurement AS n WHERE n.stream_id = s.id ORDER BY n.time DESC LIMIT 1) AS m
    WHERE s.name = %s
"""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncConnectionPool(os.environ["BARE_DATABASE_URL"], min_size=1, max_size=8, open=False) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Tell that it serves."""
    return {"status": "ready"}


@app.get("/latest")
async def latest(request: Request, stream: str) -> dict[str, Any]:
    """Give the newest value."""
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(_LATEST, [stream])
        time, value, status = await cursor.fetchone()
    return {"time": time, "value": value, "status": status}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
