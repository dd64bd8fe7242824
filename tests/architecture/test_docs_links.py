"""Every link of the documentation leads to a file and a heading that are there."""

from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, files
from tests.architecture.links import anchors, broken, targets

DOCUMENTS = [path for path in files() if path.suffix == ".md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken(document, ROOT) == []


def test_there_is_a_document() -> None:
    assert ROOT / "README.md" in DOCUMENTS


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "other.md").write_text("# A `key` is held\n\n## Twice\n\n## Twice\n")
    return tmp_path / "page.md"


@pytest.mark.parametrize(
    "link",
    [
        "other.md",
        "other.md#a-key-is-held",
        "other.md#twice-1",
        "#here-1",
        "./",
        "https://example.org/x",
        "mailto:a@example.org",
    ],
)
def test_a_good_link_passes(page: Path, link: str) -> None:
    page.write_text(f"# Here 1\n\nSee [it]({link}) and ![it]({link}).\n")
    assert targets(page.read_text()) == [link, link]
    assert broken(page, page.parent) == []


@pytest.mark.parametrize("link", ["another.md", "other.md#twice-2", "#there", "../outside.md", "/etc/hostname"])
def test_a_link_into_nothing_is_found(page: Path, link: str) -> None:
    page.write_text(f"# Here\n\nSee [it][there].\n\n| a |\n|---|\n| ![it]({link}) |\n\n[there]: {link}\n")
    assert broken(page, page.parent) == [link, link]


def test_code_is_not_read_as_a_link(page: Path) -> None:
    page.write_text("`[no](link.md)`\n\n```\n[no](link.md)\n```\n")
    assert targets(page.read_text()) == []


def test_an_anchor_is_named_as_the_forges_do() -> None:
    assert anchors("# What's *new*, in v1.2?\n") == {"whats-new-in-v12"}
