"""What the gateway promises when its surroundings fail: a full disk, a file that is away, a setting that is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import fieldlab.storage.spool
from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage.spool import Held, Spool
from gateway.limits import Limits
from tests.integration.gateway.test_gateway import locked
from tests.integration.gateway.wire import START, Wires, declare, gateway, samples, stored, until
from tests.servers.database import Database


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the spool's disk have room for 64 pages of 4 KiB."""
    settings = (*fieldlab.storage.spool._SETTINGS, "PRAGMA max_page_count = 64")
    monkeypatch.setattr(fieldlab.storage.spool, "_SETTINGS", settings)


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_makes_the_sources_wait_says_so_and_loses_nothing(database: Database, tmp_path: Path) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('robot', 'opcua', 'opc.tcp://x')")
    async with gateway(database.gateway, tmp_path, limits=Limits(batch=50, pending=100)) as running:
        with locked(database):
            for at in range(400):
                running.wires["mqtt"].hand_over(samples(*range(30), start=START + at * SECOND, step=SECOND // 30))
            await until(lambda: bool(running.wires["mqtt"].safe))
            status, health = await running.shows(lambda health: health["spool_fault"] is not None)
            assert (status, health["status"]) == (503, "unavailable")
            assert "disk is full" in health["spool_fault"]
            assert "The sources wait" in health["spool_fault"]
            assert len(running.wires["mqtt"].safe) < 400
        health = await running.settled()
        assert (health["status"], health["stored"], health["spool_fault"]) == ("ok", 12_000, None)
    assert len(stored(database)) == 12_000


async def test_a_source_without_its_secret_begins_once_the_file_is_there_and_the_others_go_on(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('robot', 'opcua', 'opc.tcp://x')")
    missing = InvalidSettings("Source robot: options.password_file names /run/secret, which cannot be read.")
    wires = Wires(refuse={"robot": missing})
    async with gateway(database.gateway, tmp_path, wires=wires) as running:
        await until(lambda: wires.refused["robot"] > 2)
        running.wires["mqtt"].hand_over(samples(1.0))
        health = await running.settled()
        assert health["sources"]["robot"]["state"] == "misconfigured"
        assert "password_file" in health["sources"]["robot"]["message"]
        told = [record for record in caplog.records if "/run/secret" in record.getMessage()]
        assert len(told) == 1, "the same fault is told once"
        wires.refuse.clear()
        await until(lambda: "robot" in wires.built, within=90)
        assert (await running.health())[1]["sources"]["robot"]["state"] == "connected"


@pytest.mark.parametrize(
    ("url", "directory", "said"),
    [
        ("nonsense", "spool", r"FIELDLAB_GATEWAY_DATABASE_URL.*postgresql://user:password@host/name"),
        ("postgresql://a:hush@h:port/x", "spool", r"FIELDLAB_GATEWAY_DATABASE_URL.*postgresql://user:password@host"),
        ("postgresql://a:hush@h/x?sslmod=require", "spool", r"FIELDLAB_GATEWAY_DATABASE_URL.*sslmod"),
        ("postgresql://a:hush@h/x", "/proc/fieldlab", r"FIELDLAB_GATEWAY_DIRECTORY"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_start_and_says_what_to_do(
    tmp_path: Path, url: str, directory: str, said: str
) -> None:
    command = ["-m", "cli", "gateway", "--port", "0", "--directory", str(tmp_path / directory)]
    environment = {**os.environ, "FIELDLAB_GATEWAY_DATABASE_URL": url, "COLUMNS": "300"}
    ended = subprocess.run([sys.executable, *command], env=environment, capture_output=True, timeout=90, check=False)
    told = (ended.stdout + ended.stderr).decode()
    assert ended.returncode != 0
    assert "Traceback" not in told
    assert "hush" not in told
    assert "Uvicorn" not in told
    assert re.search(said, told, re.DOTALL), told


async def test_the_accounts_do_not_go_on_saying_that_a_source_waits_whose_last_sample_is_stored(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('robot', 'opcua', 'opc.tcp://x')")
        connection.execute(
            "UPDATE fieldlab.binding SET source_id = (SELECT id FROM fieldlab.source WHERE slug = 'robot')"
            " WHERE address = 'boolean'"
        )
    async with gateway(database.gateway, tmp_path, limits=Limits(batch=10, group=1)) as running:
        with locked(database):
            for at in range(3):
                running.wires["robot"].hand_over(
                    samples(*[1.0] * 10, start=START + at * 10 * SECOND, address="boolean")
                )
            await running.shows(lambda health: health["waiting"] == 30)
            for at in range(60):
                running.wires["mqtt"].hand_over(samples(*range(10), start=START + at * 10 * SECOND))
            await running.shows(lambda health: health["waiting"] == 630)
        await running.settled()
        with psycopg.connect(database.admin) as connection:
            waiting = connection.execute("SELECT source_id, samples FROM fieldlab.waiting WHERE samples > 0").fetchall()
    assert waiting == []


def written(database: Database) -> list[int]:
    with psycopg.connect(database.admin) as connection:
        return [row[0] for row in connection.execute("SELECT written FROM fieldlab.spool")]


async def test_a_database_that_was_restored_and_knows_less_than_was_taken_off_the_spool_is_written_on(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, 2.0))
        await running.settled()
    with psycopg.connect(database.admin) as connection:
        connection.execute("DELETE FROM fieldlab.spool")
        connection.execute("DELETE FROM fieldlab.measurement")
    async with gateway(database.gateway, tmp_path):
        await until(lambda: written(database) == [0])
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(3.0, start=START + MINUTE))
        health = await running.settled()
        assert (health["status"], health["stored"]) == ("ok", 1)
    assert len(stored(database)) == 1


async def test_a_full_spool_whose_disk_refuses_to_let_go_takes_on_once_it_does(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(database)
    refused: list[int] = []

    def refuse(_spool: Spool, *, until: int) -> None:
        refused.append(until)
        raise Unavailable("The spool cannot be written: disk I/O error.")

    limits = Limits(batch=50, pending=100, spool=64 * 1024)
    async with gateway(database.gateway, tmp_path, limits=limits) as running:
        mqtt = running.wires["mqtt"]
        with monkeypatch.context() as patched:
            with locked(database):
                for at in range(400):
                    mqtt.hand_over(samples(*range(10), start=START + at * SECOND, step=SECOND // 10))
                await running.shows(lambda health: health["spool_fault"] is not None)
                patched.setattr(Spool, "trim", refuse)
            await until(lambda: len(stored(database)) == 10 * len(mqtt.safe) and refused[-1:] == written(database))
            assert len(mqtt.safe) < 400
        health = await running.settled()
        assert (health["stored"], health["spool_fault"]) == (4000, None)


async def test_what_the_disk_has_spoilt_among_the_held_does_not_end_the_chores(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declare(database)
    with Spool(tmp_path) as spool:
        spool.hold([Held(batch=0, source=1, address="rot", received_at=Instant(START), size=1, body=b"rot")])
    async with gateway(database.gateway, tmp_path, limits=Limits(held_age=60.0)) as running:
        await until(lambda: "could not let go of what was held too long" in caplog.text)
        running.wires["mqtt"].hand_over(samples(1.0, address="new"))
        await until(lambda: "new" in discovered(database))


def discovered(database: Database) -> list[str]:
    with psycopg.connect(database.admin) as connection:
        return [row[0] for row in connection.execute("SELECT address FROM fieldlab.discovery")]
