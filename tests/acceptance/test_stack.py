"""The production-like stack, as plain processes: each with the command and environment that compose.yaml gives it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import yaml

from tests.architecture.checkout import ROOT
from tests.servers.child import Child, start
from tests.servers.database import Database
from tests.servers.engine import EngineName
from tests.servers.port import free_port
from tests.servers.scratch import scratch
from tests.servers.stack_broker import stack_broker

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
VARIABLE = re.compile(r"\$\{(\w+)(?::[-?][^}]*)?\}")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("engine_server", [EngineName.TIMESCALEDB], indirect=True, ids=str),
]


class Stack:
    """Runs services of compose.yaml on this machine; hosts and ports are those of the test's own servers."""

    def __init__(self, database: Database, *, broker: int, passwords: Mapping[str, str], place: Path) -> None:
        admin = urlsplit(database.admin)
        self.api, self.health, robot = free_port(), free_port(), free_port()
        self._place = place
        self._variables = {
            "FIELDLAB_ADMIN_PASSWORD": admin.password or "",
            "FIELDLAB_GATEWAY_PASSWORD": urlsplit(database.gateway).password or "",
            "FIELDLAB_API_PASSWORD": urlsplit(database.api).password or "",
            "FIELDLAB_MAINTAINER_PASSWORD": urlsplit(database.maintainer).password or "",
            "FIELDLAB_SHOP_FLOOR_PASSWORD": passwords["GATEWAY_PASSWORD"],
            "FIELDLAB_MILL_PASSWORD": passwords["MILL_PASSWORD"],
        }
        self._here = {
            "postgres:": f"{admin.username}:",
            "timescaledb:5432/fieldlab": f"{admin.hostname}:{admin.port}/{database.name}",
            "mosquitto:1883": f"127.0.0.1:{broker}",
            "robot:4840": f"127.0.0.1:{robot}",
            "0.0.0.0:4840": f"127.0.0.1:{robot}",
            "0.0.0.0": "127.0.0.1",
            "8001": str(self.health),
            "8000": str(self.api),
            "/var/lib/fieldlab": str(place),
            "/etc/fieldlab/lab.yaml": str(place / "lab.yaml"),
        }
        lab = (ROOT / "docs" / "examples" / "lab.yaml").read_text()
        (place / "lab.yaml").write_text(self._found_here(lab))

    def once(self, service: str) -> str:
        """Run a service that ends by itself and give what it prints."""
        command, environment = self._definition(service)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def key(self, participant: str) -> str:
        """Make a token as compose.yaml's first lines say."""
        command, environment = self._definition("key", ["create", "--participant", participant])
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def stays(self, service: str) -> Child:
        """Start a service that stays."""
        command, environment = self._definition(service)
        words = ["env", *(f"{name}={value}" for name, value in environment.items()), *command]
        return start(service, words, log=self._place / f"{service}.log")

    def _definition(self, service: str, words: list[str] | None = None) -> tuple[list[str], dict[str, str]]:
        definition = SERVICES[service]
        entry = [*definition.get("entrypoint", ["fieldlab"])[1:]]
        command = [sys.executable, "-m", "cli", *entry, *(words or map(self._found_here, definition["command"]))]
        given = {name: self._found_here(value) for name, value in definition.get("environment", {}).items()}
        return command, {**os.environ, **given}

    def _found_here(self, text: str) -> str:
        text = VARIABLE.sub(lambda match: self._variables[match[1]], text)
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text


@pytest.fixture
def stack(blank_database: Database) -> Iterator[Stack]:
    passwords = {"GATEWAY_PASSWORD": "gateway-at-the-broker", "MILL_PASSWORD": "mill-at-the-broker"}
    with stack_broker(passwords) as broker, scratch(on_disk=True) as place:
        yield Stack(blank_database, broker=broker, passwords=passwords, place=place)


def test_the_commands_of_the_stack_bring_two_machines_into_the_database_and_out_to_their_owner(
    stack: Stack, blank_database: Database
) -> None:
    assert "TimescaleDB" in stack.once("migrate")
    assert "things changed" in stack.once("apply")
    assert "nothing to change" in stack.once("apply")
    with psycopg.connect(blank_database.admin) as connection:
        owners: list[tuple[str, str]] = connection.execute(
            "SELECT a.slug, p.slug FROM fieldlab.asset a JOIN fieldlab.participant p ON p.id = a.home_owner_id"
        ).fetchall()
    with ExitStack() as running:
        children = [stack.stays(service) for service in ("robot", "gateway", "api")]
        for child in children:
            running.callback(child.stop)
        gateway = httpx.Client(base_url=f"http://127.0.0.1:{stack.health}")
        api = httpx.Client(base_url=f"http://127.0.0.1:{stack.api}")
        running.enter_context(gateway)
        running.enter_context(api)
        wait_for(lambda: connected(gateway), "every source is connected")
        children.append(stack.stays("mill"))
        running.callback(children[-1].stop)
        for asset, owner in owners:
            token = stack.key(owner).strip().splitlines()[0]
            reader = {"Authorization": f"Bearer {token}"}
            answer = wait_for(partial(newest, api, asset, reader), f"{asset} is heard")
            assert {segment["owner"] for segment in answer["segments"]} == {owner}
            assert {tuple(segment["origins"]) for segment in answer["segments"]} == {("simulated",)}
        assert api.get("/readyz").status_code == 200
        assert all(child.running for child in children)
    assert [child.process.returncode for child in children] == [0, 0, 0, 0], "each ends cleanly when told to"


def connected(gateway: httpx.Client) -> dict[str, Any] | None:
    sources: dict[str, Any] = gateway.get("/healthz").json()["sources"]
    return sources if sources and all(one["state"] == "connected" for one in sources.values()) else None


def newest(api: httpx.Client, asset: str, reader: dict[str, str]) -> dict[str, Any] | None:
    answer: dict[str, Any] = api.get("/v1/latest", params={"asset": asset}, headers=reader).json()
    return answer if answer.get("rows") else None


def wait_for(found: Callable[[], dict[str, Any] | None], what: str, *, seconds: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (result := found()) is not None:
                return result
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:.0f} s until {what}, in vain")
