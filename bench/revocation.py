"""How soon an answer under way ends when the agreement ends that it rests on: what is followed, and what is fetched."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
import numpy as np
import psycopg

from bench.figure import Experiment, Figure
from bench.service import Service, declare, service
from tests.servers.database import clone, template
from tests.servers.engine import Engine

REVOCATIONS: Final = 10
"""How many of each kind."""

ROWS: Final = 2_000_000
"""Samples of the stream that is fetched: far more than connections hold."""

BEFORE: Final = 1 << 20
"""Bytes of a download that come before its agreement ends."""

_PIECE: Final = 1 << 16
_LAST: Final = b"\r\n0\r\n\r\n"
"""What ends a whole answer in chunks (RFC 9112, 7.1)."""

_ASKED: Final = {
    "live": "/v1/live?stream=asset.s1",
    "download": "/v1/measurements?stream=asset.s1&format=csv",
}


@contextlib.asynccontextmanager
async def _asking(url: str, token: str, path: str) -> AsyncIterator[asyncio.StreamReader]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=_PIECE)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """Read until the answer ends, one way or another; give the last bytes of it."""
    last = b""
    with contextlib.suppress(ConnectionResetError):
        while not last.endswith(_LAST) and (piece := await reader.read(_PIECE)):
            last = (last + piece)[-_PIECE:]
    return last


async def _cut(running: Service, tokens: Mapping[str, list[str]], kind: str) -> float:
    """End agreements under which an answer is under way; give the seconds from asking for that to its end, p99."""
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    mine, theirs = ({"Authorization": f"Bearer {tokens[who][0]}"} for who in ("owner", "other"))
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=60) as client:
        for _ in range(REVOCATIONS):
            body = {"grantee": "other", "enforced": {"streams": ["asset.s1"], "live": True}}
            id_ = (await client.post("/v1/agreements", json=body, headers=mine)).json()["id"]
            (await client.post(f"/v1/agreements/{id_}/approve", headers=theirs)).raise_for_status()
            async with _asking(running.url, tokens["other"][0], _ASKED[kind]) as reader:
                if kind == "live":
                    await reader.readuntil(b"event: segments")
                else:
                    await reader.readexactly(BEFORE)
                begun = loop.time()
                ending = asyncio.create_task(client.post(f"/v1/agreements/{id_}/terminate", headers=mine))
                last = await _ended(reader)
                taken.append(loop.time() - begun)
                (await ending).raise_for_status()
            if last.endswith(_LAST) is (kind == "download"):
                raise AssertionError(f"An answer ended as it should not: {last[-100:]!r}")
    return float(np.percentile(taken, 99))


def _run(engine: Engine) -> Mapping[str, float]:
    measured: dict[str, float] = {}
    with template(engine) as migrated, clone(migrated) as database:
        tokens = declare(database, streams=1, keys_each=1)
        with psycopg.connect(database.admin) as connection:
            connection.execute(
                "INSERT INTO fieldlab.measurement (stream_id, time, value)"
                " SELECT s.id, now() - n * interval '10 milliseconds', n"
                " FROM fieldlab.stream AS s, generate_series(1, %s) AS n",
                [ROWS],
            )
        for deaf in (False, True):
            with service(database, deaf=deaf) as running:
                for kind in _ASKED:
                    name = f"query.{kind}_revocation_{'unheard_' if deaf else ''}seconds"
                    measured[name] = asyncio.run(_cut(running, tokens, kind))
    return {"query.revocation_cut_seconds": max(measured.values()), **measured}


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.revocation_cut_seconds",
                meaning="from the request that ends an agreement to the end of what is under way; the worst of these",
                most=1.0,
            ),
            Figure(name="query.live_revocation_seconds", meaning="of what is followed, p99"),
            Figure(name="query.live_revocation_unheard_seconds", meaning="the same, while no announcement is heard"),
            Figure(name="query.download_revocation_seconds", meaning="of a download, p99"),
            Figure(name="query.download_revocation_unheard_seconds", meaning="the same, while none is heard"),
        ),
        run=_run,
    ),
)
