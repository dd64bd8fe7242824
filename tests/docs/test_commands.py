"""Every command in the documents exists, with the options it is given; every variable and route too."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import typer
from pydantic import SecretStr

from api.app import create_app
from cli.main import app
from fieldlab.settings import ApiSettings, GatewaySettings, MigrateSettings
from tests.architecture.checkout import ROOT
from tests.docs.blocks import SHELL, blocks, documents

INLINE = re.compile(r"`((?:\.venv/bin/)?fieldlab [^`]+|make [^`]+)`")
VARIABLE = re.compile(r"\bFIELDLAB_[A-Z_]+\b(?!…)")
WORD = re.compile(r"^([a-z]+):.*## ", re.MULTILINE)
OTHERS = {
    "curl",
    "export",
    "psql",
    "pg_dump",
    "pg_restore",
    "pg_dumpall",
    "grep",
    "apt-get",
    "git",
    "cd",
    "docker",
    "mosquitto_pub",
    ".",
}
"""Commands of others, which nobody checks here."""


def told() -> Iterator[tuple[str, list[str]]]:
    """Every command of the shell blocks and of the running text, with its place."""
    for block in blocks(SHELL):
        for words in block.commands():
            yield str(block), words
    for path in documents():
        for command in INLINE.findall(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT)), command.split()


TOLD = list(told())


def of(tool: str) -> list[object]:
    """The commands of one tool, as cases of a test; all of them for an empty name."""
    return [
        pytest.param(place, words, id=f"{place} {' '.join(words)}"[:100])
        for place, words in TOLD
        if tool in {"", Path(words[0]).name}
    ]


@pytest.mark.parametrize("tool", ["fieldlab", "make", "curl"])
def test_there_are_commands_to_check(tool: str) -> None:
    assert len(of(tool)) > 5


@pytest.mark.parametrize(("place", "words"), of(""))
def test_only_commands_that_are_known_here_are_typed(place: str, words: list[str]) -> None:
    name = Path(words[0]).name or words[0]
    assert name in OTHERS | {"fieldlab", "make"} or (ROOT / words[0]).is_file(), place


@pytest.mark.parametrize(("place", "words"), of("fieldlab"))
def test_a_fieldlab_command_exists_with_its_options(place: str, words: list[str]) -> None:
    assert faults(words[1:]) == [], place


@pytest.mark.parametrize("line", ["migrat", "api --prot 1", "key creat", "key create --participants x", "--versoin"])
def test_a_misspelt_command_is_found(line: str) -> None:
    assert faults(line.split())


def faults(words: list[str]) -> list[str]:
    """What is wrong with the words behind `fieldlab`: commands and options that do not exist."""
    command: Any = typer.main.get_command(app)
    wrong: list[str] = []
    for word in words:
        subcommands = getattr(command, "commands", None)
        if word.startswith("--"):
            known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
            wrong += [] if word.partition("=")[0] in known else [word]
        elif subcommands is not None:
            if word not in subcommands:
                return [*wrong, word]
            command = subcommands[word]
    return wrong


@pytest.mark.parametrize(("place", "words"), of("make"))
def test_a_make_word_exists(place: str, words: list[str]) -> None:
    offered = set(WORD.findall((ROOT / "Makefile").read_text()))
    asked = [word.rstrip(".,") for word in words[1:] if word.isalpha()]
    assert set(asked) <= offered, place


def test_every_variable_is_read_somewhere() -> None:
    read = " ".join(
        path.read_text(encoding="utf-8")
        for folder in ("fieldlab", "cli", "tests/conftest.py", "tests/servers", ".ci", "compose.yaml")
        for path in ([ROOT / folder] if (ROOT / folder).is_file() else (ROOT / folder).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    )
    settings = {
        f"FIELDLAB_{name.upper()}"
        for kind in (MigrateSettings, GatewaySettings, ApiSettings)
        for name in kind.model_fields
    }
    named = {name for path in documents() for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert named
    assert {name for name in named if name not in settings and name not in read} == set()


@pytest.mark.parametrize(("place", "words"), of("curl"))
def test_a_route_exists_with_its_parameters(place: str, words: list[str]) -> None:
    target = next(word for word in words if "/v1/" in word or word.startswith(("$API", "http://127")))
    parts = urlsplit(os.path.expandvars(target).replace("$API", "").replace("$GATEWAY", ""))
    if parts.path in {"/healthz", "/readyz", "/metrics", "/docs"}:
        return
    paths = create_app(ApiSettings(api_database_url=SecretStr("postgresql://nobody@/nowhere"))).openapi()["paths"]
    method = "post" if "-d" in words else "get"
    matching = [path for path in paths if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), parts.path)]
    assert matching, f"{place}: {parts.path}"
    offered = {parameter["name"] for parameter in paths[matching[0]][method].get("parameters", ())}
    assert {name for name, _ in parse_qsl(parts.query)} <= offered, place
