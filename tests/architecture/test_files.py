"""What is committed works for everybody: no package registry's address, no path of one machine, no secret."""

import re
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, files, text_of

REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "deb" + ".debian.org",
    "security" + ".debian.org",
    "snapshot" + ".debian.org",
    "archive" + ".ubuntu.com",
    "crates" + ".io",
    "proxy.golang" + ".org",
)
MACHINE_PATHS = ("/" + "work/", "/" + "root/", "/" + "home/", "/" + "opt/pypi", "/" + "opt/wheels")
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{30}|\bAKIA[0-9A-Z]{16}\b")


def found(text: str, words: tuple[str, ...]) -> set[str]:
    return {word for word in words if word in text.lower()}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_files_to_look_at() -> None:
    assert {"pyproject.toml", "Makefile", "constraints.txt", ".ci/run"} <= {relative(path) for path in files()}


@pytest.mark.parametrize("words", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_one(words: tuple[str, ...]) -> None:
    guilty = {relative(path): found(text_of(path) or "", words) for path in files()}
    assert {name: named for name, named in guilty.items() if named} == {}


def test_the_search_finds_what_it_looks_for() -> None:
    assert found(f"see https://{REGISTRIES[0]}/simple", REGISTRIES) == {REGISTRIES[0]}
    assert found(f"cd {MACHINE_PATHS[0]}checkout", MACHINE_PATHS) == {MACHINE_PATHS[0]}


def test_no_file_holds_a_private_key_or_a_token() -> None:
    assert [relative(path) for path in files() if SECRET.search(text_of(path) or "")] == []


def test_what_is_run_can_be_run() -> None:
    scripts = [path for path in files() if (text_of(path) or "").startswith("#!")]
    assert scripts
    assert [relative(path) for path in scripts if not path.stat().st_mode & 0o111] == []
