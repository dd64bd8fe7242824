"""The first thing that a stranger runs says what is missing and what to do, and then gets out of the way."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT

VENV = '*"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;'
"""A case of a stand-in for Python: it makes an environment with itself as the Python in it."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script looks at, without an environment."""
    (tmp_path / ".ci").mkdir()
    for name in (".ci/environment", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make_environment(checkout: Path, python: str | None = None) -> "subprocess.CompletedProcess[str]":
    given = {name: value for name, value in os.environ.items() if name != "PYTHON"} | (
        {"PYTHON": python} if python else {}
    )
    command = [str(checkout / ".ci" / "environment"), "runtime"]
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


def executable(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_named_with_the_way_out(checkout: Path) -> None:
    old = executable(checkout / "python3", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    done = make_environment(checkout, python=old)
    assert done.returncode == 1
    assert f"Python 3.11 or later is needed; {old} is Python 3.9.2." in done.stderr
    assert "make demo PYTHON=" in done.stderr


def test_a_debian_without_venv_is_told_the_package(checkout: Path) -> None:
    bare = executable(checkout / "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = make_environment(checkout, python=bare)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_installation_shows_why_and_is_not_taken_for_done(checkout: Path) -> None:
    failing = f'case "$*" in *"-m pip"*) echo no such hash; exit 1 ;; {VENV} esac'
    python = executable(checkout / "python3", failing)
    for _ in range(2):
        done = make_environment(checkout, python=python)
        assert done.returncode == 1
        assert "no such hash" in done.stderr
    assert not (checkout / ".venv" / "runtime.stamp").exists()


def test_an_environment_that_is_there_is_left_alone_until_the_lock_changes(checkout: Path) -> None:
    counting = f'case "$*" in *"-m pip"*) echo "$*" >> {checkout}/installations ;; {VENV} esac'
    python = executable(checkout / "python3", counting)

    def installations() -> list[str]:
        assert make_environment(checkout, python=python).returncode == 0
        return (checkout / "installations").read_text().splitlines()

    first = installations()
    assert ["--require-hashes" in line for line in first] == [True, False]
    assert "--no-deps" in first[1]

    def seconds() -> float:
        began = time.monotonic()
        assert installations() == first
        return time.monotonic() - began

    assert any(seconds() < 1.0 for _ in range(20))
    with (checkout / "constraints.txt").open("a") as lock:
        lock.write("# changed\n")
    assert len(installations()) == 2 * len(first)


def test_a_copied_checkout_gets_an_environment_of_its_own(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = executable(checkout / "python3", f'case "$*" in {VENV} esac')
    assert make_environment(checkout, python=python).returncode == 0
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(checkout, copy)
    assert make_environment(copy, python=python).returncode == 0
    assert (copy / ".venv" / "place").read_text().strip() == str(copy)
