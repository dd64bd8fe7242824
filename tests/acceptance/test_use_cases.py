"""The reference use cases, as a company runs them: simulated machines, gateway, query service, and its own script."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from simulators.columns import Columns
from simulators.machines import MACHINES
from simulators.scenario import read_scenario
from simulators.schedule import microseconds
from tests.architecture.checkout import ROOT
from tests.servers.child import start
from tests.servers.database import Template, clone
from tests.servers.embedded_broker import embedded_broker
from tests.servers.engine import EngineName
from tests.servers.port import free_port
from tests.servers.scratch import scratch

USE_CASES = ROOT / "docs" / "use-cases"
LENGTH = timedelta(minutes=150)
FIELDLAB = (sys.executable, "-m", "cli")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True, ids=str),
]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab in which the scenario was played; `since` is when it began."""

    environment: dict[str, str]
    truth: Path
    since: datetime

    def runs(self, script: str, *words: str) -> list[dict[str, str]]:
        """Run a use case and give the rows of its table."""
        printed = once([sys.executable, "-W", "error", str(USE_CASES / script), *words], self.environment)
        return list(csv.DictReader(printed.splitlines()))

    def played(self, kind: str) -> Columns:
        """Give what a machine really did, as the equations say."""
        since = microseconds(self.since, "since")
        machine = MACHINES[kind](asset=f"{kind}-1", seed={"mill": 1, "packaging": 2}[kind])
        scenario = read_scenario(USE_CASES / "scenario.yaml")
        other = MACHINES["packaging" if kind == "mill" else "mill"]
        staged = scenario.stage([machine, other(asset=f"{other.type_name}-1")], since)
        times = since + np.arange(LENGTH.total_seconds(), dtype=np.int64) * 1_000_000
        return staged.machines[0].at(times)


@pytest.fixture(scope="module")
def lab(database_template: Template) -> Iterator[Lab]:
    with ExitStack() as running:
        database = running.enter_context(clone(database_template))
        broker = running.enter_context(embedded_broker())
        place = running.enter_context(scratch(on_disk=True))
        (place / "lab.yaml").write_text((USE_CASES / "lab.yaml").read_text().replace("1883", str(broker.port)))
        health, api = free_port(), free_port()
        environment = {
            **os.environ,
            "FIELDLAB_ADMIN_DATABASE_URL": database.admin,
            "FIELDLAB_GATEWAY_DATABASE_URL": database.gateway,
            "FIELDLAB_API_DATABASE_URL": database.api,
            "API": f"http://127.0.0.1:{api}",
        }
        once([*FIELDLAB, "apply", str(place / "lab.yaml")], environment)
        environment["TOKEN"] = once([*FIELDLAB, "key", "create", "--participant", "sme"], environment).split()[0]
        for words in (("gateway", "--port", str(health), "--directory", str(place)), ("api", "--port", str(api))):
            command = ["env", *(f"{name}={value}" for name, value in environment.items()), *FIELDLAB, *words]
            running.callback(start(words[0], command, log=place / f"{words[0]}.log").stop)
        sources = f"http://127.0.0.1:{health}/healthz"
        until(lambda: httpx.get(sources).json()["sources"]["shop-floor"]["state"] == "connected")
        until(lambda: httpx.get(f"{environment['API']}/readyz").status_code == 200)
        now = datetime.now(UTC).replace(microsecond=0)
        since = now - LENGTH
        once(
            [
                *(*FIELDLAB, "simulate", "mill", "packaging", "--mqtt", f"mqtt://127.0.0.1:{broker.port}"),
                *("--from", since.isoformat(), "--until", now.isoformat()),
                *("--scenario", str(USE_CASES / "scenario.yaml"), "--truth", str(place / "truth.csv")),
            ],
            environment,
        )
        samples = int(LENGTH.total_seconds()) * sum(len(MACHINES[kind].signals) for kind in ("mill", "packaging"))
        until(lambda: httpx.get(sources).json()["stored"] == samples)
        yield Lab(environment=environment, truth=place / "truth.csv", since=since)


def once(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(true: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (httpx.TransportError, KeyError):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_tool_wear_is_warned_of_long_before_the_tool_is_worn_out_and_never_without_cause(
    lab: Lab, tmp_path: Path
) -> None:
    alarms = lab.runs("tool_wear.py", "mill-1", "155m")
    file = tmp_path / "alarms.csv"
    with file.open("w", newline="") as written:
        table = csv.DictWriter(written, ["time", "asset", "excess_ampere"])
        table.writeheader()
        table.writerows(alarms)
    score = json.loads(
        once([*FIELDLAB, "score", str(lab.truth), str(file), "--fault", "tool_wear", "--json"], lab.environment)
    )
    assert score["precision"] == 1.0
    assert score["recall"] == 1.0
    assert score["lead_seconds"] > 40 * 60, "within twenty minutes of a fault that lasts an hour"


def test_the_energy_of_the_parts_adds_up_to_the_meter(lab: Lab) -> None:
    parts = lab.runs("energy_per_part.py", "mill-1", "155m")
    columns = lab.played("mill")
    count, meter = columns.values["part_count"], columns.values["energy"]
    steps = np.flatnonzero(np.diff(count)) + 1
    assert [float(part["part"]) for part in parts] == count[steps][1:].tolist()
    found = np.array([float(part["kWh"]) for part in parts])
    assert np.allclose(found, np.diff(meter[steps]), atol=1e-4)
    assert 0.08 < found.mean() < 0.2


def test_the_effectiveness_is_that_of_the_line_and_shows_the_jam(lab: Lab) -> None:
    hours = lab.runs("packaging_oee.py", "packaging-1", "155m")
    columns = lab.played("packaging")
    state, starts = columns.values["state"], columns.times_us // 3_600_000_000
    for row, hour in zip(hours, np.unique(starts), strict=True):
        there = starts == hour
        assert row["hour"] == datetime.fromtimestamp(int(hour) * 3600, UTC).strftime("%Y-%m-%dT%H:00:00Z")
        assert float(row["availability"]) == pytest.approx(np.mean(state[there] == "EXECUTE"), abs=0.002)
        assert float(row["held_s"]) == pytest.approx(np.sum(state[there] == "HELD"), abs=1)
        if np.sum(state[there] == "EXECUTE") > 600:
            assert float(row["performance"]) == pytest.approx(1.0, abs=0.01)
            assert float(row["quality"]) == pytest.approx(0.98, abs=0.01)
    assert sum(float(row["held_s"]) for row in hours) > 12 * 60, "the jam is in it"
