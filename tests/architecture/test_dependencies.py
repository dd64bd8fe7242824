"""What the product imports is what it asks for: no package is there by the grace of another one."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests.architecture.checkout import NOT_PRODUCT, ROOT, files, product_modules, product_packages, settings

PROJECT = settings()["project"]
CLIENT = "fieldlab_client"
"""The distribution in `client/`, which is installed for development."""
DISTRIBUTIONS = packages_distributions()
WITH_ANOTHER = {
    "greenlet": "sqlalchemy",
    "starlette": "fastapi",
    "pydantic-core": "pydantic",
    "psycopg-pool": "psycopg",
}
"""Packages that are a part of another by its own documentation."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(lines: Iterable[str]) -> set[str]:
    return {canonical(Requirement(line).name) for line in lines}


def imported(path: Path) -> Iterator[str]:
    """The top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def foreign(paths: Iterable[Path]) -> dict[str, set[str]]:
    """The distributions that these modules import, each with the modules that do."""
    ours = {*product_packages(), *NOT_PRODUCT, CLIENT}
    found: dict[str, set[str]] = {}
    for path in paths:
        for name in imported(path):
            if name not in ours and name not in sys.stdlib_module_names:
                distribution = canonical(DISTRIBUTIONS.get(name, [name])[0])
                found.setdefault(WITH_ANOTHER.get(distribution, distribution), set()).add(str(path.relative_to(ROOT)))
    return found


EXTRAS = {"matplotlib": {"simulators/plot.py"}}
"""Packages that an installation may leave out, with the modules that may import them, which are imported when asked."""


def test_the_product_imports_only_what_it_asks_for() -> None:
    asked = asked_for(PROJECT["dependencies"])
    needed = foreign(product_modules())
    assert {name: needed.pop(name, set()) for name in EXTRAS} == EXTRAS
    extras = [line for extra, lines in PROJECT["optional-dependencies"].items() if extra != "dev" for line in lines]
    assert asked_for(extras) == set(EXTRAS)
    assert {name: where for name, where in needed.items() if name not in asked} == {}


def test_tests_and_measurements_import_only_what_development_asks_for() -> None:
    asked = asked_for([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
    paths = [path for path in files() if path.suffix == ".py"]
    assert {name: where for name, where in foreign(paths).items() if name not in asked} == {}
