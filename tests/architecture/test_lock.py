"""constraints.txt holds all that an installation may get, and holds it to its files."""

import re
from importlib.metadata import requires

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.version import Version

from tests.architecture.checkout import ROOT, settings

LOCK = (ROOT / "constraints.txt").read_text()
RUNTIME, DEVELOPMENT = LOCK.split("# section: runtime\n")[1].split("# section: dev\n")
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)(?: ; (.+?))? \\$", re.MULTILINE)
PROJECT = settings()
PYTHONS = ("3.11.2", "3.12.0", "3.13.0")
"""Debian 12 has the first of them."""


def applies(marker: Marker, python: str, extra: str = "") -> bool:
    """Whether a marker holds on Linux with this CPython."""
    here = {"python_version": python.rpartition(".")[0], "python_full_version": python, "extra": extra}
    return marker.evaluate({**{name: str(value) for name, value in default_environment().items()}, **here})


def pinned(section: str, python: str) -> dict[str, list[Version]]:
    """What a section installs for this Python: the versions of each package, of which one can be right."""
    versions: dict[str, list[Version]] = {}
    for name, version, marker in PIN.findall(section):
        if not marker or applies(Marker(marker), python):
            versions.setdefault(name, []).append(Version(version))
    return versions


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("line", [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]])
def test_what_runs_is_locked_within_its_range(line: str, python: str) -> None:
    requirement = Requirement(line)
    (version,) = pinned(RUNTIME, python)[canonical(requirement.name)]
    assert version in requirement.specifier


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("line", PROJECT["project"]["optional-dependencies"]["dev"])
def test_what_development_needs_is_locked_within_its_range(line: str, python: str) -> None:
    requirement = Requirement(line)
    (version,) = (pinned(RUNTIME, python) | pinned(DEVELOPMENT, python))[canonical(requirement.name)]
    assert version in requirement.specifier


def test_every_entry_is_one_version_with_hashes() -> None:
    entries = re.split(r"^(?=[^\s#])", RUNTIME + DEVELOPMENT, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


def test_no_address_and_no_option_is_named() -> None:
    options = [line for line in LOCK.splitlines() if line.startswith("-")]
    assert options == []
    assert "://" not in LOCK
    assert " @ " not in LOCK


@pytest.mark.parametrize("python", PYTHONS)
def test_no_version_differs_between_the_sections(python: str) -> None:
    running, developing = pinned(RUNTIME, python), pinned(DEVELOPMENT, python)
    shared = running.keys() & developing.keys()
    assert {name: developing[name] for name in shared} == {name: running[name] for name in shared}


@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_that_is_installed_here_is_missing_from_the_lock(python: str) -> None:
    """What the product's packages need, as their metadata says, followed to the end."""
    locked, wanted, seen = pinned(RUNTIME, python), [*PROJECT["project"]["dependencies"]], set[str]()
    while wanted:
        line = wanted.pop()
        if line in seen:
            continue
        seen.add(line)
        requirement = Requirement(line)
        name = canonical(requirement.name)
        assert len(locked.get(name, [])) == 1, f"{name} has no place in the lock for Python {python}"
        for further in requires(requirement.name) or []:
            marker = Requirement(further).marker
            if marker is None or any(applies(marker, python, extra) for extra in requirement.extras | {""}):
                wanted.append(further)
    assert len(seen) > 50
