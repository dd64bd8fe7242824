"""The import rules hold, name every package, and fail on a module that breaks them or has no place."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, product_packages, settings

PLANTED = {
    "the query service knows a connector": ("api/planted.py", "import connectors.mqtt"),
    "the query service knows the gateway": ("api/planted.py", "import gateway"),
    "the query service speaks MQTT": ("api/planted.py", "import paho.mqtt.client"),
    "the query service speaks OPC UA": ("api/planted.py", "import asyncua"),
    "a connector knows the gateway": ("connectors/planted.py", "import gateway"),
    "a connector knows the database": ("connectors/planted.py", "import psycopg"),
    "a connector knows another": ("connectors/mqtt/planted.py", "import connectors.opcua"),
    "the gateway knows the query service": ("gateway/planted.py", "import api"),
    "a simulator knows the platform": ("simulators/planted.py", "import fieldlab.errors"),
    "the words know a process": ("fieldlab/storage/planted.py", "import gateway"),
    "the words know the migrations": ("fieldlab/storage/planted.py", "import migrations"),
    "ownership knows the storage": ("fieldlab/ownership/planted.py", "import fieldlab.storage"),
    "ownership knows the event loop": ("fieldlab/ownership/planted.py", "import asyncio"),
    "readings know the database": ("fieldlab/readings/planted.py", "import psycopg"),
    "a simulated machine knows the event loop": ("simulators/machines/planted.py", "import asyncio"),
    "a module of the words has no place": ("fieldlab/planted.py", ""),
}


def test_every_package_has_a_layer() -> None:
    contracts = settings()["tool"]["importlinter"]["contracts"]
    order = next(each for each in contracts if each["type"] == "layers" and "containers" not in each)
    named = {name.strip() for layer in order["layers"] for name in layer.replace(":", "|").split("|")}
    assert set(product_packages()) <= named


def test_the_rules_hold_here(copy_of_the_product: Path) -> None:
    verdict = lint(copy_of_the_product)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize(("module", "line"), PLANTED.values(), ids=PLANTED.keys())
def test_the_rules_fail_on_a_module_that_breaks_them(copy_of_the_product: Path, module: str, line: str) -> None:
    planted = copy_of_the_product / module
    planted.write_text(f"{line}\n")
    try:
        verdict = lint(copy_of_the_product)
    finally:
        planted.unlink()
    assert verdict.returncode == 1, verdict.stdout
    assert "planted" in verdict.stdout.partition("Broken contracts")[2]


@pytest.fixture(scope="module")
def copy_of_the_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("product")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in product_packages():
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def lint(where: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
