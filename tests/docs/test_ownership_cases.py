"""The cases of ownership that are said to be tried have tests, and those with a database run on every engine."""

import ast
import re
from functools import cache

import pytest

from tests.architecture.checkout import ROOT

ROW = re.compile(r"^\| (.+?) \| (`tests/.+`) \|$", re.MULTILINE)
CASES = [
    pytest.param(*named.split("::"), id=f"{case[:40]} {number}")
    for case, tests in ROW.findall((ROOT / "docs" / "ownership-cases.md").read_text(encoding="utf-8"))
    for number, named in enumerate(re.findall(r"`([^`]+)`", tests), start=1)
]
FEWEST = 40


@cache
def functions(path: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {one.name: one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_cases() -> None:
    assert len(CASES) >= FEWEST


@pytest.mark.parametrize(("path", "name"), CASES)
def test_a_case_has_its_test_on_every_engine(path: str, name: str) -> None:
    found = functions(path).get(name)
    assert found is not None, f"{path} has no {name}"
    assert not any("engine_server" in ast.unparse(one) for one in found.decorator_list), "it runs on one engine alone"
