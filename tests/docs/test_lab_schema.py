"""The published schema of lab.yaml is what the code reads, and the examples point to it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.lab_schema import options_of, schema
from fieldlab.assets.asset_type import read_types
from fieldlab.assets.source import Wire
from tests.architecture.checkout import ROOT

PUBLISHED = ROOT / "docs" / "lab.schema.json"
LABS = [ROOT / "docs" / "examples" / "lab.yaml", ROOT / "cli" / "demo" / "lab.yaml"]
LINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


def resolved(reference: str, whole: dict[str, Any]) -> dict[str, Any]:
    node = whole
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set[str]()
        return own.union(*map(references, node.values()))
    return set[str]().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_published_schema_is_what_the_code_reads() -> None:
    written = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    assert PUBLISHED.read_text() == written, "bring it up to date: fieldlab lab-schema > docs/lab.schema.json"


def test_every_reference_in_it_leads_somewhere() -> None:
    whole = schema()
    assert references(whole)
    assert all(resolved(reference, whole) for reference in references(whole))


@pytest.mark.parametrize("wire", Wire)
def test_the_options_of_a_wire_are_completed_where_a_source_says_so(wire: Wire) -> None:
    whole = schema()
    (rule,) = [
        rule
        for rule in whole["$defs"]["DeclaredSource"]["allOf"]
        if rule["if"]["properties"]["wire"]["const"] == wire.value
    ]
    offered = resolved(rule["then"]["properties"]["options"]["$ref"], whole)["properties"]
    assert offered.keys() == options_of(wire).model_fields.keys()


def test_names_that_break_their_pattern_are_marked_and_types_are_offered() -> None:
    whole = schema()
    assert whole["properties"]["assets"]["additionalProperties"] is False
    assert whole["$defs"]["DeclaredAsset"]["properties"]["type"]["examples"] == list(read_types())


@pytest.mark.parametrize("lab", LABS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_tells_editors_where_the_schema_is(lab: Path) -> None:
    line = LINE.match(lab.read_text())
    assert line is not None
    assert (lab.parent / line[1]).resolve() == PUBLISHED
