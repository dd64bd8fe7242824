"""The product's import names are common words, so each must be this checkout's own."""

import importlib.util
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, product_packages, settings


def test_the_packages_of_the_picture_are_there() -> None:
    assert {"api", "cli", "connectors", "fieldlab", "gateway", "migrations", "simulators"} <= set(product_packages())


@pytest.mark.parametrize("name", product_packages())
def test_a_name_means_the_package_of_this_checkout(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("name", product_packages())
def test_a_package_is_installed_typed_and_layered(name: str) -> None:
    tools = settings()["tool"]
    assert f"{name}*" in tools["setuptools"]["packages"]["find"]["include"]
    assert name in tools["mypy"]["files"]
    assert name in tools["importlinter"]["root_packages"]
