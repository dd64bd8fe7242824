"""The checkout as these tests see it: its root, its settings and the files that are or will be committed."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOT_PRODUCT = {"tests", "bench"}
"""Packages that are part of the checkout and of no installation."""


def settings() -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def product_packages() -> list[str]:
    """The top-level packages that an installation has: every directory with an `__init__.py` but the tests."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    return sorted(found - NOT_PRODUCT)


def product_modules() -> list[Path]:
    """Every Python file of the product."""
    return sorted(path for package in product_packages() for path in (ROOT / package).rglob("*.py"))


def files() -> list[Path]:
    """Every file that git keeps or would keep, and that is there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in listing.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def text_of(path: Path) -> str | None:
    """A file's text; None when it holds bytes that are no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
