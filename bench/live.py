"""How soon whoever follows data gets it, and how soon it ends: the query service as a process, readers over HTTP."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import orjson
import psycopg

from bench.figure import Experiment, Figure
from bench.line import Line
from fieldlab.assets.asset import Kind
from fieldlab.assets.participant import Permission
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from fieldlab.storage import keys
from fieldlab.storage.database import open_engine
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine

READERS: Final = 100
RATE: Final = 1_000
"""Samples a second."""

STREAMS: Final = 20
WARM_UP: Final = 5
MEASURED: Final = 20
"""Seconds."""

REVOCATIONS: Final = 20
_PARSED: Final = 10
"""Every so many readers take the time of each sample; the others only count."""

_SERVE: Final = """
from api.process import run
from fieldlab.settings import ApiSettings
run(ApiSettings.load(api_port=0, api_requests_per_minute=0), tell=lambda address: print(address, flush=True))
"""
_ALL: Final = frozenset({Permission.DATA_READ, Permission.DATA_LIVE, Permission.AGREEMENTS_WRITE})


@contextmanager
def _served(database: Database) -> Iterator[str]:
    environment = {**os.environ, "FIELDLAB_API_DATABASE_URL": database.api}
    process = subprocess.Popen([sys.executable, "-c", _SERVE], env=environment, text=True, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def _declare(database: Database) -> dict[str, list[str]]:
    """Make a lab of two participants, an owner with many keys; give the tokens of each."""
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.participant (slug, name, role)"
            " VALUES ('owner', 'An owner', 'sme'), ('other', 'Another', 'sme')"
        )
        connection.execute(
            "INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)"
            " SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant WHERE slug = 'owner'"
        )
        connection.execute(
            "INSERT INTO fieldlab.stream (asset_id, name, kind, unit) SELECT id, 's' || n, 'number', '1'"
            " FROM fieldlab.asset, generate_series(1, %s) AS n",
            [STREAMS],
        )
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('bench', 'mqtt', 'mqtt://nowhere')")
    engine = open_engine(database.admin, name="bench")
    with engine.begin() as connection_:
        tokens = {
            who: [
                keys.issue(
                    connection_,
                    participant=who,
                    principal="bench",
                    permissions=_ALL,
                    expires_at=Instant(Instant.now() + 3600 * SECOND),
                ).token
                for _ in range(10)
            ]
            for who in ("owner", "other")
        }
    engine.dispose()
    return tokens


@asynccontextmanager
async def _following(url: str, token: str, query: str) -> AsyncIterator[asyncio.StreamReader]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    asked = f"GET /v1/live?{query} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(asked.encode())
    try:
        yield reader
    finally:
        writer.close()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    name = ""
    while line := await reader.readline():
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, orjson.loads(line[6:])


async def _delays(url: str, token: str, *, parse: bool, ready: asyncio.Semaphore, since: Instant) -> list[float]:
    """Follow all streams until told to stop; give for each sample how long after its measurement it came."""
    found: list[float] = []
    async with _following(url, token, "asset=asset") as reader:
        try:
            async for name, data in _events(reader):
                if name == "segments":
                    ready.release()
                elif name == "samples" and parse:
                    now = Instant.now()
                    times = np.array([row[0][:-1] for row in data["rows"]], "datetime64[us]").astype(np.int64)
                    found += ((now - times[times >= since]) / SECOND).tolist()
        except asyncio.CancelledError:
            pass
    return found


async def _publish(line: Line, bindings: Mapping[str, Binding], seconds: float) -> None:
    """Hand samples over as a source does, ten at a time, each measured at that very moment."""
    loop, names, number = asyncio.get_running_loop(), list(bindings), 0
    begun = loop.time()
    while loop.time() - begun < seconds:
        await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
        now, some = Instant.now(), range(10)
        await line.deliver(
            Samples(
                addresses=[names[(number + at) % len(names)] for at in some],
                times=[Instant(now - 9 + at) for at in some],
                values=[float(number + at) for at in some],
                texts=[None] * 10,
                statuses=[0] * 10,
                origins=[0] * 10,
            )
        )
        number += 10


async def _live(database: Database, tokens: list[str], url: str) -> dict[str, float]:
    with psycopg.connect(database.admin) as connection:
        streams = [row[0] for row in connection.execute("SELECT id FROM fieldlab.stream ORDER BY id").fetchall()]
    bindings = {f"a{key}": Binding(address=f"a{key}", stream=key, kind=Kind.NUMBER, origin=0) for key in streams}
    ready = asyncio.Semaphore(0)
    since = Instant(Instant.now() + (WARM_UP + READERS // 10) * SECOND)
    with tempfile.TemporaryDirectory() as directory:
        async with Line(database.gateway, Path(directory), bindings) as line:
            await line.start()
            reading = [
                asyncio.create_task(
                    _delays(url, tokens[n % len(tokens)], parse=n % _PARSED == 0, ready=ready, since=since)
                )
                for n in range(READERS)
            ]
            for _ in reading:
                await ready.acquire()
            await _publish(line, bindings, max(0.0, (since - Instant.now()) / SECOND) + MEASURED)
            await line.drained()
            await asyncio.sleep(1)
            for task in reading:
                task.cancel()
            delays = [delay for some in await asyncio.gather(*reading) for delay in some]
    if len(delays) < RATE * MEASURED // 2:
        raise AssertionError(f"Only {len(delays)} samples came.")
    return {
        "query.live_p99_seconds": float(np.percentile(delays, 99)),
        "query.live_p50_seconds": float(np.percentile(delays, 50)),
    }


async def _revoked(tokens: Mapping[str, list[str]], url: str) -> dict[str, float]:
    """End agreements that are followed, one after the other; give how long after that each answer ended."""
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    mine, theirs = ({"Authorization": f"Bearer {tokens[who][0]}"} for who in ("owner", "other"))
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for _ in range(REVOCATIONS):
            body = {"grantee": "other", "enforced": {"streams": ["asset.s1"], "live": True}}
            id_ = (await client.post("/v1/agreements", json=body, headers=mine)).json()["id"]
            (await client.post(f"/v1/agreements/{id_}/approve", headers=theirs)).raise_for_status()
            async with _following(url, tokens["other"][0], "stream=asset.s1") as reader:
                events = _events(reader)
                await anext(events)
                begun = loop.time()
                ending = asyncio.create_task(client.post(f"/v1/agreements/{id_}/terminate", headers=mine))
                async for name, _data in events:
                    if name == "end":
                        break
                taken.append(loop.time() - begun)
                (await ending).raise_for_status()
    return {"query.live_revocation_cut_seconds": float(np.percentile(taken, 99))}


def _run(engine: Engine) -> Mapping[str, float]:
    with template(engine) as migrated, clone(migrated) as database:
        tokens = _declare(database)
        with _served(database) as url:
            return {**asyncio.run(_live(database, tokens["owner"], url)), **asyncio.run(_revoked(tokens, url))}


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.live_p99_seconds",
                meaning=f"from the hand-over to the gateway to the event, {RATE} samples/s, {READERS} readers",
                most=1.0,
            ),
            Figure(name="query.live_p50_seconds", meaning="the same, for half of the samples"),
            Figure(
                name="query.live_revocation_cut_seconds",
                meaning="from the request that ends an agreement to the end of what is followed under it, p99",
                most=1.0,
            ),
        ),
        run=_run,
    ),
)
