"""SQL is code with a home: `fieldlab.storage` and `migrations` hold every statement of the product."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, product_modules

HOMES = (ROOT / "fieldlab" / "storage", ROOT / "migrations")
STATEMENT = re.compile(
    r"^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|copy\s+\S+.*\s(from|to)\s"
    r"|(create|alter|drop)\s+(or\s+replace\s+)?(table|view|role|index|function|schema|extension|policy)\s"
    r"|(grant|revoke)\s.+\son\s|with\s+\S+\s+as\s*\(|truncate\s|notify\s|listen\s+[a-z_]+\s*;?$)",
    re.IGNORECASE | re.DOTALL,
)


def statements(source: str) -> list[str]:
    """The string literals of a module that read as SQL; docstrings are prose."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    literals = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
    return [node.value for node in literals if isinstance(node.value, str) and STATEMENT.match(node.value)]


def test_no_statement_lives_elsewhere() -> None:
    elsewhere = [path for path in product_modules() if not any(path.is_relative_to(home) for home in HOMES)]
    assert elsewhere
    guilty: dict[Path, list[str]] = {path.relative_to(ROOT): statements(path.read_text()) for path in elsewhere}
    assert {path: found for path, found in guilty.items() if found} == {}


def test_the_home_has_statements() -> None:
    assert any(statements(path.read_text()) for path in (ROOT / "fieldlab" / "storage").rglob("*.py"))


@pytest.mark.parametrize(
    "line",
    [
        'run("select value from measurement where stream_id = 1")',
        'run("INSERT INTO reject VALUES (1)")',
        'run("drop role x")',
    ],
)
def test_the_search_finds_a_statement(line: str) -> None:
    assert statements(f"def ask() -> None:\n    {line}\n")


@pytest.mark.parametrize(
    "line", ['say("Select a stream in the list")', '"""Select rows from a table."""', 'say("listen to it")']
)
def test_the_search_takes_prose_for_prose(line: str) -> None:
    assert statements(f"def ask() -> None:\n    {line}\n") == []
