"""constraints.txt holds all that an installation may get, and holds it to its files."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.architecture.checkout import ROOT, settings

LOCK = (ROOT / "constraints.txt").read_text()
RUNTIME, DEVELOPMENT = LOCK.split("# section: runtime\n")[1].split("# section: dev\n")
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)", re.MULTILINE)
PROJECT = settings()


def pinned(section: str) -> dict[str, Version]:
    return {name: Version(version) for name, version in PIN.findall(section)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("line", [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]])
def test_what_runs_is_locked_within_its_range(line: str) -> None:
    requirement = Requirement(line)
    assert pinned(RUNTIME)[canonical(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("line", PROJECT["project"]["optional-dependencies"]["dev"])
def test_what_development_needs_is_locked_within_its_range(line: str) -> None:
    requirement = Requirement(line)
    assert (pinned(RUNTIME) | pinned(DEVELOPMENT))[canonical(requirement.name)] in requirement.specifier


def test_every_entry_is_one_version_with_hashes() -> None:
    entries = re.split(r"^(?=[^\s#])", RUNTIME + DEVELOPMENT, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


def test_no_address_and_no_option_is_named() -> None:
    options = [line for line in LOCK.splitlines() if line.startswith("-")]
    assert options == []
    assert "://" not in LOCK
    assert " @ " not in LOCK


def test_no_version_differs_between_the_sections() -> None:
    running, developing = pinned(RUNTIME), pinned(DEVELOPMENT)
    assert {name: developing[name] for name in running.keys() & developing.keys()} == {
        name: running[name] for name in running.keys() & developing.keys()
    }
