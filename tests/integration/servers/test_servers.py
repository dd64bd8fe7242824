"""The servers that the other tests stand on: each test has its own data, and nothing is left behind."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.servers.database import Database, Template, clone
from tests.servers.engine import Engine, EngineName
from tests.servers.scratch import LOCK, scratch

ROLES = {"gateway": "fieldlab_gateway", "api": "fieldlab_api", "maintainer": "fieldlab_maintainer"}


@pytest.mark.parametrize(("field", "role"), ROLES.items())
def test_each_role_logs_in_to_its_own_copy_with_its_own_password(database: Database, field: str, role: str) -> None:
    with psycopg.connect(getattr(database, field)) as connection:
        row = connection.execute("select current_user, current_database()").fetchone()
    assert row == (role, database.name)


def test_a_copy_has_the_rights_of_its_template(database_template: Template, database: Database) -> None:
    rights = "select datacl::text from pg_database where datname = %s"
    with psycopg.connect(database_template.engine.admin_url) as connection:
        of_template, of_copy = (
            connection.execute(rights, [name]).fetchone() for name in (database_template.name, database.name)
        )
    assert of_copy is not None
    assert of_template is not None
    assert sorted(of_copy[0].strip("{}").split(",")) == sorted(of_template[0].strip("{}").split(","))


def test_a_copy_can_be_made_and_dropped_in_under_half_a_second(database_template: Template) -> None:
    def seconds() -> float:
        began = time.monotonic()
        with clone(database_template):
            pass
        return time.monotonic() - began

    assert any(seconds() < 0.5 for _ in range(20))


def test_a_copy_is_dropped_although_somebody_is_still_connected(database_template: Template) -> None:
    with clone(database_template) as database:
        lingering = psycopg.connect(database.admin)
    with pytest.raises(psycopg.OperationalError):
        lingering.execute("select 1")
    lingering.close()


def test_the_engine_is_what_its_name_says(engine_server: Engine, blank_database: Database) -> None:
    with psycopg.connect(blank_database.admin) as connection:
        available = connection.execute(
            "select count(*) from pg_available_extensions where name = 'timescaledb'"
        ).fetchone()
    assert available == (0 if engine_server.name is EngineName.PLAIN else 1,)


def test_a_killed_run_leaves_no_server_and_the_next_run_removes_its_directory(engine_server: Engine) -> None:
    if engine_server.child is None:
        return  # the server is somebody else's, and outlives every run by right
    server = engine_server.name
    script = (
        f"import time\nfrom tests.servers.{server} import {server}\nwith {server}() as engine:\n"
        "    print(engine.child.process.pid, engine.child.log.parent, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid, place = run.stdout.readline().split()
        assert _alive(int(pid))
        run.kill()
    deadline = time.monotonic() + 60
    while _alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(int(pid))
    with scratch():
        assert not Path(place).exists()


def test_the_directory_of_a_run_in_progress_is_left_alone() -> None:
    with scratch() as mine, scratch():
        assert (mine / LOCK).exists()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
