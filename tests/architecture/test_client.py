"""The client is a distribution of its own: it knows nothing of the platform, and asks for what it imports."""

import ast
import tomllib
from pathlib import Path

import pytest

import fieldlab_client
from tests.architecture.checkout import NOT_PRODUCT, ROOT, product_packages
from tests.architecture.test_dependencies import asked_for, foreign

CLIENT = ROOT / "client"
MODULES = sorted((CLIENT / "fieldlab_client").rglob("*.py"))
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]


def test_the_name_means_the_package_of_this_checkout() -> None:
    assert Path(fieldlab_client.__file__).is_relative_to(CLIENT)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.name))
def test_it_imports_nothing_of_the_platform(module: Path) -> None:
    tree = ast.parse(module.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} & {*product_packages(), *NOT_PRODUCT} == set()


def test_it_asks_for_what_it_imports_and_for_nothing_else() -> None:
    needed = set(foreign(MODULES))
    optional = {name for extra in PROJECT["optional-dependencies"].values() for name in asked_for(extra)}
    assert optional == {"pandas", "polars"}
    assert needed - optional == asked_for(PROJECT["dependencies"])


def test_it_is_typed() -> None:
    assert (CLIENT / "fieldlab_client" / "py.typed").exists()
