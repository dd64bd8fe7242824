"""Whatever a payload says, its values stand at addresses of the topic they came on: no message reaches another's."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from connectors.mqtt.decode import Batch, decode
from connectors.mqtt.payload import Payload
from connectors.mqtt.sparkplug.data_type import DataType
from connectors.mqtt.sparkplug.topic import topic_of
from fieldlab.readings.instant import Instant
from tests.unit.connectors.recipe import NAMES, recipe
from tests.unit.connectors.sparkplug_edge import Edge, metric

NOW = Instant(1_763_712_000_000_000)
OWN = "lab/mill-1/t"
FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "json"},
    {"format": "scalar"},
    {"format": "json_path", "values": {"{@.n}": "@.v"}, "each": "$[*]"},
    {"format": "influx"},
    {"format": "senml"},
)
NAMED = st.sampled_from(["lab/mill-2/t#power", "#", "../mill-2/t", "/lab/mill-2/t", "", "a", "mill-2", "é", "a b,c=d"])
VALUES = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.booleans(), NAMED)


def addresses(payload: bytes, given_format: dict[str, Any]) -> list[str]:
    config: Payload = TypeAdapter(Payload).validate_python(given_format)
    found = decode(OWN, payload, NOW, config)
    return [
        *found.samples.addresses,
        *(one.address for one in found.described),
        *(one.address for one in found.rejects if one.address is not None),
    ]


@pytest.mark.parametrize("given_format", FORMATS, ids=lambda one: one["format"])
@given(
    payload=st.one_of(
        st.binary(max_size=60),
        st.dictionaries(NAMED, VALUES, max_size=4).map(lambda one: json.dumps(one).encode()),
        st.lists(st.fixed_dictionaries({"n": NAMED, "bn": NAMED, "v": st.floats(-9, 9)}), max_size=3).map(
            lambda one: json.dumps(one).encode()
        ),
        st.tuples(NAMED, NAMED).map(lambda names: f"{names[0]} {names[1]}=1".encode()),
    )
)
def test_every_address_begins_with_the_topic_of_the_message(given_format: dict[str, Any], payload: bytes) -> None:
    for address in addresses(payload, given_format):
        assert address == OWN or address.startswith(f"{OWN}#"), address


@pytest.mark.parametrize("name", [name for name in NAMES if recipe(name).messages])
def test_what_the_recipes_promise_begins_with_a_topic_too(name: str) -> None:
    tried = recipe(name)
    topics = {topic for topic, _ in tried.messages}
    assert {one.address.partition("#")[0] for one in tried.becomes} == topics


NODES = ("cell", "cell-2")
DEVICES = ("", "mill", "cell-2")
FOREIGN = st.sampled_from(
    [
        "power",
        "mill",
        "cell-2#power",
        "../cell-2/mill#power",
        "spBv1.0/lab/cell-2/mill#power",
        "#",
        "/",
        "é",
        "Node Info",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of an edge node or of a device: what it says of metrics, by name, alias or both."""

    node: int
    device: str
    kind: str
    metrics: tuple[tuple[str | None, int | None], ...]
    seq: int | None
    number: int
    pause: float

    @property
    def mark(self) -> float:
        """What every value of this node and device is, and of no other's."""
        return 10.0 * self.node + DEVICES.index(self.device) + 1


SAID = st.builds(
    Said,
    node=st.integers(0, 1),
    device=st.sampled_from(DEVICES),
    kind=st.sampled_from(["BIRTH", "BIRTH", "DATA", "DATA", "DEATH"]),
    metrics=st.lists(
        st.tuples(st.none() | FOREIGN, st.none() | st.integers(0, 3)).filter(lambda one: one != (None, None)),
        max_size=4,
    ).map(tuple),
    seq=st.sampled_from([-1, -1, -1, 5]),
    number=st.integers(0, 2),
    pause=st.sampled_from([0.0, 0.0, 3.0]),
)


@given(st.lists(SAID, max_size=12))
def test_edge_nodes_and_devices_on_one_broker_never_mix(conversation: list[Said]) -> None:
    edge = Edge()
    for said in conversation:
        node, verb = NODES[said.node], f"{'D' if said.device else 'N'}{said.kind}"
        metrics = [metric(name, said.mark, alias=alias) if alias is not None else metric(name, said.mark)
                   for name, alias in said.metrics]  # fmt: skip
        if verb in {"NBIRTH", "NDEATH"}:
            metrics.insert(0, metric("bdSeq", said.number, DataType.INT64))
        batch = edge.send(verb, *metrics, device=said.device, node=node, seq=0 if verb == "NBIRTH" else said.seq)
        topic = f"spBv1.0/lab/{verb}/{node}" + (f"/{said.device}" if said.device else "")
        for address in named_in(batch):
            assert owner_of(address)[0] == node, f"{address} from a message on {topic}"
        marks_are_those_of_their_owners(batch)
        assert set(edge.requests()) <= {f"lab/{node}"}
        late = edge.overdue(said.pause)
        marks_are_those_of_their_owners(late)
        for gap in late.gaps:
            assert len({owner_of(address)[0] for address in gap.addresses or ()}) <= 1
        edge.requests()


def named_in(batch: Batch) -> Iterator[str]:
    """Every address that a batch says anything of."""
    yield from batch.samples.addresses
    yield from (one.address for one in batch.described)
    yield from (one.address for one in batch.rejects if one.address is not None)
    yield from (address for gap in batch.gaps for address in gap.addresses or ())


def owner_of(address: str) -> tuple[str, str]:
    """Which edge node and device an address belongs to: it stands before the first `#`, which no topic has."""
    topic = topic_of(address)  # a message that was refused as a whole stands under its topic
    _, group, node, device = (
        (*address.partition("#")[0].split("/"), "")[:4] if topic is None else ("", *topic.node.split("/"), topic.device)
    )
    assert group == "lab"
    return node, device


def marks_are_those_of_their_owners(batch: Batch) -> None:
    for address, value in zip(batch.samples.addresses, batch.samples.values, strict=True):
        node, device = owner_of(address)
        assert value is None or value == 10.0 * NODES.index(node) + DEVICES.index(device) + 1, address
