"""An OPC UA address names one node, whatever index its namespace has, and can name a place inside its array."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.address import OPC_UA, NodeAddress, node_of
from connectors.opcua.wanted import Standing, Wanted
from fieldlab.errors import InvalidName

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NODES = st.builds(
    NodeAddress,
    uri=TEXT,
    identifier=st.one_of(st.integers(0, 2**32 - 1), TEXT, st.uuids(), st.binary(min_size=1, max_size=20)),
)


@given(NODES)
def test_what_is_written_is_read_back(node: NodeAddress) -> None:
    assert NodeAddress.parse(str(node)) == node


@given(NODES, st.lists(st.integers(0, 99), max_size=3))
def test_a_place_inside_an_array_is_told_from_the_name_of_the_node(node: NodeAddress, place: list[int]) -> None:
    address = str(node) + ("#" + ".".join(map(str, place)) if place else "")
    assert node_of(address) == str(node)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("nsu=urn:maker:machine;s=Spindle/Current", NodeAddress(uri="urn:maker:machine", identifier="Spindle/Current")),
        ("nsu=urn:a%3Bb%25;s=x;y=z", NodeAddress(uri="urn:a;b%", identifier="x;y=z")),
        ("i=2258", NodeAddress(uri=OPC_UA, identifier=2258)),
        ("nsu=urn:a;i=0", NodeAddress(uri="urn:a", identifier=0)),
        ("nsu=urn:a;s=Valve 50%", NodeAddress(uri="urn:a", identifier="Valve 50%")),
        ("nsu=urn:a;s=Tool %231", NodeAddress(uri="urn:a", identifier="Tool #1")),
        (
            "nsu=urn:a;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            NodeAddress(uri="urn:a", identifier=uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")),
        ),
        ("nsu=urn:a;b=AQID", NodeAddress(uri="urn:a", identifier=b"\x01\x02\x03")),
    ],
)
def test_the_standard_notation_is_understood(text: str, node: NodeAddress) -> None:
    assert NodeAddress.parse(text) == node


@pytest.mark.parametrize(
    "text",
    ["", "Spindle", "ns=2;s=Spindle", "nsu=urn:a", "nsu=urn:a;s=", "nsu=urn:a;i=-1", "nsu=urn:a;i=4294967296",
     "nsu=urn:a;i=1_0", "nsu=urn:a;g=1", "nsu=urn:a;b=*", "nsu=;s=a", "nsu=urn:a;x=1"],
)  # fmt: skip
def test_what_names_no_node_is_told_how_to_be_written(text: str) -> None:
    with pytest.raises(InvalidName, match=r"write it like nsu=|takes a number"):
        NodeAddress.parse(text)


def test_elements_of_an_array_share_its_node_and_unreadable_addresses_are_kept_apart() -> None:
    wanted = Wanted.of(["nsu=urn:a;s=x#0", "nsu=urn:a;s=x#1", "nsu=urn:a;s=y", "ns=2;s=z"])
    assert list(wanted.nodes) == ["nsu=urn:a;s=x", "nsu=urn:a;s=y"]
    assert wanted.addresses["nsu=urn:a;s=x"] == ("nsu=urn:a;s=x#0", "nsu=urn:a;s=x#1")
    assert list(wanted.unreadable) == ["ns=2;s=z"]


def test_what_is_asked_for_follows_what_is_wanted_and_handles_are_never_used_twice() -> None:
    standing = Standing()
    first = standing.to_add(["i=1", "i=2"])
    for handle in first:
        standing.settle(handle, 100 + handle)
    assert standing.to_add(["i=1", "i=2"]) == {}
    later = Wanted.of(["i=2", "i=3"])
    assert standing.to_drop(later) == ["i=1"]
    standing.drop(["i=1"])
    (new,) = standing.to_add(later.nodes).items()
    assert new[1] == "i=3"
    assert new[0] not in first
    standing.settle(new[0], None)
    assert list(standing.to_add(later.nodes).values()) == ["i=3"]
    assert set(standing.texts.values()) == {"i=2", "i=3"}
