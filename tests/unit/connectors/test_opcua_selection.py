"""A source's options choose variables by folder, by browse path and by type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.address import OPC_UA, NodeAddress, PathAddress, Step, event_of, node_of, parse
from connectors.opcua.browse import Found
from connectors.opcua.selection import chosen, depth_of, matcher
from connectors.opcua.wanted import Wanted
from fieldlab.errors import InvalidName

NAMES = st.text(min_size=1, max_size=8)
URIS = st.sampled_from([OPC_UA, "urn:maker:machine", "http://maker.example/UA/;%3B/"])


@given(st.lists(st.builds(Step, uri=URIS, name=NAMES), min_size=1, max_size=5))
def test_a_browse_path_comes_back_as_it_was_written(steps: list[Step]) -> None:
    address = PathAddress(steps=tuple(steps))
    assert parse(str(address)) == address
    assert node_of(f"{address}#2.Torque") == str(address)


def test_a_name_in_a_path_has_the_namespace_of_the_name_before() -> None:
    assert parse("path=nsu=urn:m;Mill/Spindle/nsu=urn:n;Current") == PathAddress(
        steps=(Step(uri="urn:m", name="Mill"), Step(uri="urn:m", name="Spindle"), Step(uri="urn:n", name="Current"))
    )
    assert parse("path=Server/nsu=urn:m;Mill") == PathAddress(
        steps=(Step(uri=OPC_UA, name="Server"), Step(uri="urn:m", name="Mill"))
    )
    assert parse("i=2253") == NodeAddress(uri=OPC_UA, identifier=2253)


@pytest.mark.parametrize("address", ["path=", "path=/a", "path=a//b", "path=a/", "path=nsu=urn:m;"])
def test_a_path_without_names_is_refused_and_told_how_to_write_it(address: str) -> None:
    with pytest.raises(InvalidName, match="write it like path=nsu="):
        parse(address)


def test_what_happens_at_a_node_is_an_address_of_its_own_and_no_value_of_it() -> None:
    event = "nsu=urn:m;s=Mill#!Overheated.Severity"
    assert (node_of(event), event_of(event)) == ("nsu=urn:m;s=Mill", "Overheated.Severity")
    assert event_of("nsu=urn:m;s=Mill#2") is None
    wanted = Wanted.of([event, "nsu=urn:m;s=Mill#2"])
    assert list(wanted.nodes) == ["nsu=urn:m;s=Mill"]
    assert wanted.events == {event}


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "Mill/Spindle/Current", True),
        ("Mill/**", "Mill/Spindle/Current", True),
        ("Mill/*", "Mill/Spindle/Current", False),
        ("Mill/*/Current", "Mill/Spindle/Current", True),
        ("**/Current", "Current", True),
        ("**/Temp*", "Mill/Spindle/Temperature", True),
        ("**/Temp*", "Mill/Temperature/Value", False),
        ("Mill/Sp.*", "Mill/Spindle", False),
    ],
)
def test_a_pattern_takes_any_part_of_a_name_or_any_number_of_names(pattern: str, path: str, fits: bool) -> None:
    assert matcher(pattern)(tuple(path.split("/"))) is fits


def test_a_pattern_says_how_deep_one_has_to_look() -> None:
    assert (depth_of("Mill/*/Current"), depth_of("Mill/**")) == (3, None)


def node(name: str, *children: Found, above: tuple[str, ...] = (), kind: str = "i=58") -> Found:
    return Found(
        address=f"nsu=urn:m;s={name}", path=(*above, name), variable=not children, type_definition=kind,
        children=list(children),
    )  # fmt: skip


def test_a_type_takes_its_variables_and_all_below_its_objects() -> None:
    above = ("Mill",)
    tree = [
        node("Mill", node("a", above=above), node("b", above=above, kind="i=2368"), kind="nsu=urn:m;i=1"),
        node("c", kind="i=2368"),
        node("d"),
    ]
    by_object = chosen(tree, pattern="**", types=frozenset({"nsu=urn:m;i=1"}), above=0)
    assert [one.path[-1] for one in by_object] == ["a", "b"]
    by_variable = chosen(tree, pattern="**", types=frozenset({"i=2368"}), above=0)
    assert [one.path[-1] for one in by_variable] == ["b", "c"]
    both = chosen(tree, pattern="*", types=frozenset({"i=2368"}), above=0)
    assert [one.path[-1] for one in both] == ["c"]
