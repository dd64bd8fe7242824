"""The demo, as a stranger runs it: one command, no server of ours, no root."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.servers.child import listens, wait_for
from tests.servers.port import free_port
from tests.servers.scratch import scratch

PORTS = ("--api-port", "--mqtt-port", "--mqtt-311-port", "--opcua-port", "--gateway-port")
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def place() -> Iterator[Path]:
    with scratch() as path:
        yield path / "demo"


def command(place: Path, *options: str) -> list[str]:
    ports = [word for option in PORTS for word in (option, str(free_port()))]
    return [sys.executable, "-m", "cli", "demo", "--directory", str(place), *ports, *options]


def run(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(place, *options), capture_output=True, text=True, timeout=120, check=False)


def run_until(place: Path, stored: int) -> subprocess.CompletedProcess[str]:
    """Run a demo until so many samples of each source are stored, however long that takes, and stop it."""
    words = command(place, "--json")
    health = f"http://127.0.0.1:{words[words.index('--gateway-port') + 1]}/healthz"
    told = place.with_name("told")
    with told.open("wb") as errors, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True) as demo:

        def there() -> bool:
            try:
                sources = httpx.get(health, timeout=60).json()["sources"].values()
            except httpx.TransportError:
                return demo.poll() is not None
            stands = "First rows after" in told.read_text() and len(sources) == 2
            return stands and all(source["stored"] >= stored for source in sources)

        try:
            wait_for(there, f"{stored} samples of each source", seconds=300)
        finally:
            demo.send_signal(signal.SIGINT)
            out, _ = demo.communicate(timeout=120)
    return subprocess.CompletedProcess(words, demo.returncode, out, told.read_text())


def seconds(segment: dict[str, str]) -> float:
    return (datetime.fromisoformat(segment["until"]) - datetime.fromisoformat(segment["from"])).total_seconds()


def test_shows_both_wires_and_each_company_its_own_part_then_goes_on_from_what_it_kept(place: Path) -> None:
    first = run_until(place, 10 * 60 * 15)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)

    assert told["engine"] == "plain"
    assert told["rejected"] == told["waiting"] == 0
    assert told["streams"] == 31
    assert told["stored"] == sum(told["stored_by_source"].values())
    assert min(told["stored_by_source"].values()) >= 10 * 60 * 15
    before, after = told["segments_by_participant"]["sme-a"], told["segments_by_participant"]["sme-b"]
    assert [segment["asset"] for segment in before + after] == ["mill-1", "mill-1"]
    assert before[0]["until"] == after[0]["from"]
    assert datetime.fromisoformat(before[0]["until"]).second == 0
    assert before[0]["owner"] == "sme-a"
    assert after[0]["owner"] == "sme-b"
    assert before[0]["samples"] == 15 * seconds(before[0]), "one sample a second of each stream, none missing"
    assert -15 < 15 * seconds(after[0]) - after[0]["samples"] <= 15 * 5, "all but what was measured while stopping"
    by_agreement, *own = told["segments_by_participant"]["researcher"]
    assert {segment["asset"] for segment in own} == {"robot-1"}
    assert (by_agreement["asset"], by_agreement["owner"]) == ("mill-1", "sme-a")
    assert by_agreement["until"] == before[0]["until"], "the researcher sees nothing of the next tenant's"
    assert by_agreement["samples"] == before[0]["samples"], "in whole minutes, each with samples enough"
    assert sum(segment["samples"] for segment in told["segments_by_participant"]["operator"]) == 0

    second = run_until(place, 1)
    assert second.returncode == 0, second.stderr
    again = json.loads(second.stdout)
    assert 0 < again["stored"] < told["stored"], "the second run fills in only what is missing"
    assert again["rejected"] == 0
    assert "First rows after" in second.stderr
    assert again["segments_by_participant"]["sme-a"] == before, "the hand-over of the first run is still shown"
    assert [one["from"] for one in again["segments_by_participant"]["sme-b"]] == [before[0]["until"]]


def test_a_port_in_use_is_named_with_the_option_that_changes_it(place: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = command(place)
        words[words.index("--mqtt-port") + 1] = str(port)
        told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1
    assert told.stderr.strip() == f"fieldlab: Port {port} is in use; choose another one with --mqtt-port."
    assert not place.exists()


def test_a_port_given_twice_is_named_with_an_option_that_changes_it(place: Path) -> None:
    words = command(place)
    words[words.index("--gateway-port") + 1] = port = words[words.index("--api-port") + 1]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert told.stderr.strip() == f"fieldlab: Port {port} is given twice; choose another one with --gateway-port."


def test_a_directory_that_cannot_be_used_is_named_with_the_option_that_changes_it(place: Path) -> None:
    place.write_text("a file")
    for beneath in (place, place / "demo", place.with_name("with a blank")):
        told = run(beneath, "--seconds", "1")
        assert told.returncode == 2
        assert told.stderr.startswith("fieldlab: ")
        assert str(beneath) in told.stderr
        assert told.stderr.strip().endswith("choose another one with --directory.")
        assert len(told.stderr.splitlines()) == 1


def test_fresh_throws_nothing_away_that_is_not_a_demo_s(place: Path) -> None:
    place.mkdir()
    (place / "thesis.tex").write_text("three years of work")
    told = run(place, "--fresh", "--seconds", "1")
    assert told.returncode == 2
    assert told.stderr.strip() == (
        f"fieldlab: {place} holds things that are not a demo's; --fresh would throw them away."
    )
    assert (place / "thesis.tex").read_text() == "three years of work"


def test_a_second_demo_keeps_out_of_the_directory_of_the_first_and_one_after_a_kill_clears_up_behind_it(
    place: Path,
) -> None:
    with subprocess.Popen(command(place), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        assert any("First rows after" in line for line in demo.stdout)
        for options in ((), ("--fresh",)):
            second = run(place, *options)
            assert second.returncode == 1
            assert second.stderr.strip() == (
                f"fieldlab: Another demo runs in {place.resolve()}; stop it, or choose another one with --directory."
            )
        demo.kill()
    assert (place / "database" / "postmaster.pid").exists(), "the database outlives a kill"
    third = run(place, "--seconds", "8", "--json")
    assert third.returncode == 0, third.stderr
    assert json.loads(third.stdout)["stored"] > 0
    assert not (place / "database" / "postmaster.pid").exists()


def test_control_c_stops_every_part(place: Path) -> None:
    words = command(place)
    ports = [int(words[words.index(option) + 1]) for option in PORTS]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ, text=True) as demo:
        assert demo.stdout is not None
        deadline = time.monotonic() + 60
        for line in demo.stdout:
            if "First rows after" in line or time.monotonic() > deadline:
                break
        assert all(map(listens, ports))
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(60) == 0, rest
    assert "Stopped." in rest
    assert not any(map(listens, ports))
    assert not (place / "database" / "postmaster.pid").exists()
