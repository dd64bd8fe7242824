"""Examples in the documents are what they say: JSON, YAML, CSV and Python that parse, labs that can be applied."""

import ast
import csv
import json
from pathlib import Path

import pytest
import yaml

from cli.apply import read_lab
from connectors import registry
from fieldlab.assets.source import Source
from tests.architecture.checkout import ROOT
from tests.docs.blocks import Block, blocks

LANGUAGES = {"sh", "json", "yaml", "csv", "python", "sql", "text", "mermaid", "toml", "ini"}
LABS = [block for block in blocks("yaml") if "assets:" in block.text]
FILES = [ROOT / "docs" / "examples" / "lab.yaml", ROOT / "cli" / "demo" / "lab.yaml"]


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.text.strip()


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", blocks("csv"), ids=str)
def test_every_line_of_a_table_has_the_same_columns(block: Block) -> None:
    assert len({len(row) for row in csv.reader(block.text.splitlines())}) == 1


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_is_python(block: Block) -> None:
    assert ast.parse(block.text).body


def test_there_are_labs_to_read() -> None:
    assert LABS


@pytest.mark.parametrize("block", LABS, ids=str)
def test_a_lab_in_a_document_can_be_applied_and_its_sources_started(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(block.text)
    check(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lab_in_a_file_can_be_applied_and_its_sources_started(path: Path) -> None:
    check(path)


def check(path: Path) -> None:
    lab = read_lab(path)
    assert lab.assets
    for number, (slug, declared) in enumerate(lab.sources.items()):
        source = Source(id=number, slug=slug, wire=declared.wire, url=declared.url, options=declared.options)
        secrets = {str(value): "secret" for key, value in declared.options.items() if key.endswith("_env")}
        registry.build(source, client_name="docs", environment=secrets)
