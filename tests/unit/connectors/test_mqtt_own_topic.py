"""Whatever a payload says, its values stand at addresses of the topic they came on: no message reaches another's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from connectors.mqtt.decode import decode
from connectors.mqtt.payload import Payload
from fieldlab.readings.instant import Instant
from tests.unit.connectors.recipe import NAMES, recipe

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
