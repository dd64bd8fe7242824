"""Each recipe of the MQTT connector, as it is written, against real brokers."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from connectors.registry import build
from simulators import mqtt, sparkplug
from simulators.machines import Mill
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.contract.connectors.test_mqtt import publish
from tests.servers.broker import Broker
from tests.unit.connectors.recipe import NAMES, recipe


@pytest.mark.parametrize("name", [name for name in NAMES if recipe(name).messages])
async def test_the_messages_of_a_recipe_arrive_as_it_says(broker: Broker, name: str) -> None:
    tried = recipe(name, url=f"mqtt://{broker.host}:{broker.port}")
    source = replace(tried.source, slug=f"{name}-{uuid4().hex[:8]}")
    sink, connector = Sink(), build(source, client_name="gateway", environment={})
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        for topic, payload in tried.messages:
            await asyncio.to_thread(publish, broker, topic, [payload])
        await sink.until(lambda: len(sink.times) >= len(tried.becomes))
    rows = [
        (address, value, text)
        for one in sink.deliveries
        for address, value, text in zip(one.samples.addresses, one.samples.values, one.samples.texts, strict=True)
    ]
    assert sorted(rows, key=repr) == sorted(((one.address, one.value, one.text) for one in tried.becomes), key=repr)
    assert set(sink.times) >= {one.time for one in tried.becomes if one.time is not None}
    assert {one.address: one.unit for one in sink.described if one.unit} == tried.units
    assert sink.rejects == []


async def test_a_sparkplug_gateway_is_taken_as_the_recipe_says(broker: Broker) -> None:
    tried = recipe("sparkplug", url=f"mqtt://{broker.host}:{broker.port}")
    source = replace(tried.source, slug=f"sparkplug-{uuid4().hex[:8]}")
    sink, connector = Sink(), build(source, client_name="gateway", environment={})
    stop = asyncio.Event()
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        edge = asyncio.create_task(
            sparkplug.publish(
                [Mill(asset="mill", seed=3)],
                broker=mqtt.Broker(host=broker.host, port=broker.port),
                identity=sparkplug.Identity(group="hall-2", node="cell", primary_host="fieldlab"),
                stop=stop,
            )
        )
        await sink.until(lambda: bool(sink.values("spBv1.0/hall-2/cell/mill#power")))
        stop.set()
        await edge
    assert {one.address: one.unit for one in sink.described}["spBv1.0/hall-2/cell/mill#power"] == "W"
    assert sink.rejects == []
