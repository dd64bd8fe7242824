"""The wheel holds the whole product and nothing else: what works in the checkout works where it is installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, files, product_packages

METADATA = ".dist-info"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel of the committed files, built by the locked build tool."""
    place = tmp_path_factory.mktemp("wheel")
    for path in files():
        copy = place / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(place), str(place / "source")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_file_of_the_product(contents: set[str]) -> None:
    relative = [path.relative_to(ROOT) for path in files()]
    product = {str(path) for path in relative if path.parts[0] in product_packages()}
    assert {"migrations/env.py", "cli/main.py"} <= product
    assert product - contents == set()


def test_the_wheel_holds_nothing_else(contents: set[str]) -> None:
    packages = {Path(name).parts[0] for name in contents}
    assert {package for package in packages if not package.endswith(METADATA)} == set(product_packages())


def test_the_wheel_gives_the_command(contents: set[str]) -> None:
    assert any(name.endswith(f"{METADATA}/entry_points.txt") for name in contents)
