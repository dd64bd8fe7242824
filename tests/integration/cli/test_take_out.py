"""Leaving with everything that is one's own: one command, one file."""

import asyncio
import json
import zipfile
from pathlib import Path

from typer.testing import CliRunner, Result

from cli.main import app
from fieldlab.errors import FieldlabError, InvalidSettings, Unavailable
from tests.integration.api.lab import CURRENT, busy_morning, floor
from tests.integration.api.listening import served
from tests.servers.database import Database


def run(url: str, token: str, file: Path) -> Result:
    return CliRunner().invoke(app, ["take-out", str(file)], env={"FIELDLAB_API": url, "FIELDLAB_TOKEN": token})


def whole(file: Path) -> bytes:
    return file.read_bytes()


def left(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_everything_is_taken_out_into_one_file(database: Database, tmp_path: Path) -> None:
    async with floor(database) as lab:
        await busy_morning(lab)
        async with served(lab) as answering:
            done = await asyncio.to_thread(run, answering.url, lab.tokens["sme-a"], tmp_path / "mine.zip")
            assert done.exit_code == 0, done.output
            assert "SHA-256" in done.output
            (made,) = (await lab["sme-a"].get("/v1/exports")).json()["items"]
            broken_off = tmp_path / f"again.zip.{made['id'][:8]}.part"
            await asyncio.to_thread(broken_off.write_bytes, whole(tmp_path / "mine.zip")[:1000])
            again = await asyncio.to_thread(run, answering.url, lab.tokens["sme-a"], tmp_path / "again.zip")
            assert again.exit_code == 0, again.output
            assert len((await lab["sme-a"].get("/v1/exports")).json()["items"]) == 1
            assert whole(tmp_path / "again.zip") == whole(tmp_path / "mine.zip")
            refused = await asyncio.to_thread(run, answering.url, "flk_wrong", tmp_path / "none.zip")
    assert isinstance(refused.exception, FieldlabError)
    with zipfile.ZipFile(tmp_path / "mine.zip") as package:
        told = json.loads(package.read("manifest.json"))
        assert {"ledger.ndjson", "tenures.ndjson", "participant.json"} <= set(package.namelist())
    assert CURRENT in {stream["reference"] for stream in told["streams"]}
    assert left(tmp_path) == {"again.zip", "mine.zip"}


def test_a_lab_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    assert isinstance(run("http://127.0.0.1:1", "flk_x", tmp_path / "none.zip").exception, Unavailable)
    assert isinstance(run("lab", "flk_x", tmp_path / "none.zip").exception, InvalidSettings)
