"""Every decision has the form of a decision, a number of its own, and a line in the index."""

import re
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT
from tests.architecture.links import targets

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Held by"]
SCREEN = 60


def test_the_numbers_have_no_hole() -> None:
    assert [path.name[:4] for path in RECORDS] == [f"{number:04d}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_parts_and_fits_a_screen(path: Path) -> None:
    text = path.read_text()
    assert re.match(rf"# {path.name[:4]} \S", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert len(text.splitlines()) <= SCREEN


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_names_what_holds_it(path: Path) -> None:
    assert targets(path.read_text().partition("## Held by")[2])


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_index_has_a_record_under_its_title(path: Path) -> None:
    title = path.read_text().splitlines()[0].removeprefix(f"# {path.name[:4]} ")
    assert f"| [{path.name[:4]}]({path.name}) | {title} |" in (FOLDER / "README.md").read_text()
