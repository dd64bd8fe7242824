"""An export whose process ends in the middle is finished by another: what is done is kept, what is not is done once."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest

from api.exports.worker import Worker
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import read
from fieldlab.storage.pool import Pool
from fieldlab.storage.selection import Answer, Selection
from tests.integration.api.lab import CURRENT, EIGHT, NINE, STATE, Floor, busy_morning, floor
from tests.integration.api.test_agreements import agree, step
from tests.integration.api.test_exports import OVER, ask, manifest, table, until
from tests.servers.database import Database

SERVE = """
from api.process import run
from fieldlab.settings import ApiSettings
run(ApiSettings.load(api_port=0), tell=lambda address: print(address, flush=True))
"""


class Reads:
    """Counts what jobs read of each stream; from `before` on, reading that stream waits for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: dict[str, int] = {}
        self.before: str | None = None
        self.waiting = asyncio.Event()
        self._real = read.measurements
        monkeypatch.setattr("api.exports.taking.read", SimpleNamespace(measurements=self._measurements))

    async def _measurements(self, scope: ReadScope, pool: Pool, selection: Selection) -> Answer:
        answer = await self._real(scope, pool, selection)
        (stream,) = answer.streams
        if stream.reference == self.before:
            self.waiting.set()
            await asyncio.Event().wait()
        self.of[stream.reference] = self.of.get(stream.reference, 0) + 1
        return answer


@pytest.fixture
async def begun(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Floor, Reads, dict[str, Any]]]:
    """A researcher's export of two streams, interrupted when the first was read; the same lab, served again.

    Its worker pauses, so that a test can change the lab before the job is gone on with.
    """
    place = tmp_path / "exports"
    reads = Reads(monkeypatch)
    async with floor(database, api_exports_directory=place) as first:
        await busy_morning(first)
        await agree(first, streams=[CURRENT, STATE])
        reads.before = STATE
        made = await ask(first, "researcher", stream=[CURRENT, STATE])
        async with asyncio.timeout(100):
            await reads.waiting.wait()
        first.app.state.desk.exports.pause()
        tokens = first.tokens
    assert reads.of == {CURRENT: 1}
    assert [path.stem for path in place.rglob("*.json")] == [path.stem for path in place.rglob("*.parquet")] != []
    assert not list(place.rglob("*.part"))
    assert not list(place.rglob("*.zip"))
    reads.before = None
    reads.of.clear()
    monkeypatch.setattr("api.exports.worker.Worker.work", paused())
    async with floor(database, declared=False, api_exports_directory=place) as second:
        second.tokens = tokens
        yield second, reads, made


def paused() -> Callable[[Worker], Coroutine[Any, Any, None]]:
    """A worker's loop that begins when it is woken, and not before."""
    real = Worker.work

    async def work(self: Worker) -> None:
        self.pause()
        await real(self)

    return work


async def finished(lab: Floor, made: dict[str, Any]) -> dict[str, Any]:
    lab.app.state.desk.exports.resume()
    return await until(lab, "researcher", made["id"], lambda shown: shown["state"] in OVER)


async def test_what_an_interrupted_job_had_read_is_kept_and_its_progress_too(
    begun: tuple[Floor, Reads, dict[str, Any]],
) -> None:
    lab, reads, made = begun
    shown = (await lab["researcher"].get(f"/v1/exports/{made['id']}")).json()
    assert (shown["state"], shown["progress"], shown["rows"]) == ("running", 0.5, 361)
    shown = await finished(lab, made)
    assert (shown["state"], shown["progress"], shown["rows"]) == ("ready", 1.0, 721)
    assert reads.of == {STATE: 1}
    answer = await lab["researcher"].get(shown["package"])
    assert sha256(answer.content).hexdigest() == shown["sha256"]
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.testzip() is None
    assert {one["reference"]: one["rows"] for one in manifest(packed)["streams"]} == {CURRENT: 361, STATE: 360}
    assert all(one["origins"] == ["live"] for stream in manifest(packed)["streams"] for one in stream["segments"])
    assert set(table(packed, CURRENT)["owner"].to_pylist()) == {"sme-a"}
    place = lab.app.state.desk.exports.place._directory / made["id"]
    assert {path.name for path in place.iterdir()} == {"ticket", "moment", f"{shown['sha256']}.zip"}


async def test_a_right_that_ended_meanwhile_withdraws_it_and_leaves_nothing(
    begun: tuple[Floor, Reads, dict[str, Any]],
) -> None:
    lab, reads, made = begun
    (agreement,) = (await lab["sme-a"].get("/v1/agreements")).json()["items"]
    assert await step(lab, "sme-a", agreement["id"], "terminate") == 200
    shown = await finished(lab, made)
    assert shown["state"] in {"withdrawn", "failed"}
    assert reads.of == {}
    place = lab.app.state.desk.exports.place._directory
    assert not [path for path in place.rglob("*") if path.suffix in {".parquet", ".zip", ".part"}]


async def test_what_is_erased_between_two_workers_is_in_no_package(begun: tuple[Floor, Reads, dict[str, Any]]) -> None:
    lab, _, made = begun
    lab.execute(
        "SELECT fieldlab.withdraw_exports(s.id, %s, %s) FROM fieldlab.stream AS s WHERE s.name = 'spindle_current'",
        [str(EIGHT), str(NINE)],
    )
    shown = await finished(lab, made)
    assert shown["state"] == "withdrawn"
    assert (await lab["researcher"].get(f"/v1/exports/{made['id']}/package")).status_code == 410


async def test_a_table_that_is_not_whole_or_holds_something_else_is_read_again(
    begun: tuple[Floor, Reads, dict[str, Any]],
) -> None:
    lab, reads, made = begun
    (said,) = lab.app.state.desk.exports.place._directory.rglob("*.json")
    other = json.loads(said.read_bytes())
    other[0]["ground"][3] = "sme-b"
    said.write_text(json.dumps(other))
    shown = await finished(lab, made)
    assert (shown["state"], shown["rows"], reads.of) == ("ready", 721, {CURRENT: 1, STATE: 1})


@contextmanager
def serving(lab: Floor, place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A query service of its own; it is killed at the end, if it is not gone by then."""
    given = {"FIELDLAB_API_DATABASE_URL": lab.database.api, "FIELDLAB_API_EXPORTS_DIRECTORY": str(place)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], env={**os.environ, **given}, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def seen(client: httpx.AsyncClient, id_: str, states: set[str]) -> dict[str, Any]:
    """Wait until an export is in one of some states."""
    async with asyncio.timeout(100):
        while True:
            shown: dict[str, Any] = (await client.get(f"/v1/exports/{id_}")).json()
            if shown["state"] in states:
                return shown
            await asyncio.sleep(0.05)


async def test_a_process_that_is_killed_leaves_its_job_to_the_next(lab: Floor, tmp_path: Path) -> None:
    place = tmp_path / "exports"
    headers = {"Authorization": f"Bearer {lab.tokens['sme-a']}"}
    with serving(lab, place) as (process, address), psycopg.connect(lab.database.admin) as admin:
        admin.execute("LOCK TABLE fieldlab.measurement IN ACCESS EXCLUSIVE MODE")  # its reading waits for this
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client:
            made = (await client.post("/v1/exports", json={"asset": "mill-1"})).json()
            await seen(client, made["id"], {"running"})
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    assert not list(place.rglob("*.zip"))
    lab.execute("UPDATE fieldlab.export SET leased_until = now()")
    with serving(lab, place) as (_, address):
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client:
            shown = await seen(client, made["id"], OVER)
            assert (shown["state"], shown["progress"], shown["rows"]) == ("ready", 1.0, 721), shown
            whole = await client.get(shown["package"])
            rest = await client.get(
                shown["package"], headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]}
            )
    assert sha256(whole.content).hexdigest() == shown["sha256"]
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
