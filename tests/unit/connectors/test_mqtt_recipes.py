"""Each recipe that comes along is valid, and its messages become what it says."""

import pytest

from connectors.mqtt.config import MqttOptions
from connectors.mqtt.decode import Batch, Message, decoder
from connectors.options import checked
from connectors.registry import build
from fieldlab.readings.instant import Instant
from tests.unit.connectors.recipe import NAMES, Expected, recipe

NOW = Instant.parse("2026-11-21T08:00:00Z")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_configures_a_source(name: str) -> None:
    assert not build(recipe(name).source, client_name="gateway-1", environment={}).connected


@pytest.mark.parametrize("name", [name for name in NAMES if recipe(name).messages])
def test_the_messages_of_a_recipe_become_what_it_says(name: str) -> None:
    tried = recipe(name)
    reader, batch = decoder(checked(tried.source, MqttOptions).payload), Batch()
    for topic, payload in tried.messages:
        reader.into(batch, Message(topic, payload, NOW, retained=False))
    rows = zip(batch.samples.addresses, batch.samples.values, batch.samples.texts, batch.samples.times, strict=True)
    got = [
        Expected(address=address, value=value, text=text, time=None if time == NOW else Instant(time))
        for address, value, text, time in rows
    ]
    assert batch.rejects == []
    assert sorted(got, key=repr) == sorted(tried.becomes, key=repr)
    assert {one.address: one.unit for one in batch.described if one.unit} == tried.units
