"""The Sparkplug host application against edge nodes that others wrote, and our simulators', on real brokers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from uuid import uuid4

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from connectors.registry import build
from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.gap import Cause
from fieldlab.readings.status import BAD_NO_COMMUNICATION, signed
from simulators import mqtt, sparkplug
from simulators.machines import Mill
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.servers.broker import Broker
from tests.servers.edges import EdgeName, EdgeNode, edge_node
from tests.servers.unavailable import Unavailable

STALE = signed(BAD_NO_COMMUNICATION)


def host(broker: Broker, group: str, *, protocol: str = "5", host_id: str | None = None) -> Connector:
    port = broker.port if protocol == "5" else broker.port_311
    payload = {"format": "sparkplug", "host_id": host_id or f"host-{group}"}
    options = {"topics": [f"spBv1.0/{group}/#"], "payload": payload, "protocol": protocol}
    source = Source(id=1, slug=group, wire=Wire.MQTT, url=f"mqtt://{broker.host}:{port}", options=options)
    return build(source, client_name="gateway", environment={})


@asynccontextmanager
async def edge(name: EdgeName, broker: Broker, group: str) -> AsyncIterator[EdgeNode]:
    try:
        running_node = edge_node(name, broker, group)
        node = await asyncio.to_thread(running_node.__enter__)
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield node
    finally:
        await asyncio.to_thread(running_node.__exit__, None, None, None)


def last(sink: Sink, name: str) -> tuple[float | None, str | None, int] | None:
    """Give the latest value, text and status at the address that ends with a name."""
    found = None
    for delivery in sink.deliveries:
        rows = delivery.samples
        for address, value, text, status in zip(rows.addresses, rows.values, rows.texts, rows.statuses, strict=True):
            if address.endswith(name):
                found = (value, text, status)
    return found


@pytest.fixture(params=list(EdgeName), ids=str)
def name(request: pytest.FixtureRequest) -> EdgeName:
    return EdgeName(request.param)


async def test_an_edge_node_of_another_maker_is_understood_from_birth_to_death(broker: Broker, name: EdgeName) -> None:
    group, sink = uuid4().hex[:8], Sink()
    connector = host(broker, group)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        async with edge(name, broker, group) as node:
            await sink.until(lambda: last(sink, "count") == (-3, None, 0))
            assert last(sink, "temperature") == (21.5, None, 0)
            assert last(sink, "power") == (10.5, None, 0)
            assert last(sink, "state") == (None, "idle", 0)
            node.power(11)
            await sink.until(lambda: last(sink, "power") == (11, None, 0))
            node.device_leaves()
            await sink.until(lambda: last(sink, "power") == (None, None, STALE))
            assert last(sink, "temperature") == (21.5, None, 0)
            node.leave()
            await sink.until(lambda: last(sink, "temperature") == (None, None, STALE))
    told = {one.address.rpartition("#")[2].removeprefix("DATA/"): one.kind for one in sink.described}
    assert told == {"temperature": Kind.NUMBER, "power": Kind.NUMBER, "state": Kind.TEXT, "count": Kind.NUMBER}
    assert sink.rejects == []
    assert sink.gaps == []


async def test_births_of_a_node_that_was_there_before_are_asked_for(broker: Broker, name: EdgeName) -> None:
    group, sink = uuid4().hex[:8], Sink()
    seen = Sink()
    watcher, connector = host(broker, group, host_id=f"watcher-{group}"), host(broker, group)
    async with edge(name, broker, group) as node:
        async with running(watcher, seen):
            await wait_for(lambda: watcher.connected)
            for _ in range(40):
                node.power(11)
                await asyncio.sleep(0.25)
                if last(seen, "count"):
                    break
        assert last(seen, "count") == (-3, None, 0)
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            node.power(12)
            await sink.until(lambda: last(sink, "state") == (None, "idle", 0))
            assert {one.reason.value for one in sink.rejects} == {"unknown_address"}


async def test_a_killed_edge_node_leaves_stale_metrics(broker: Broker) -> None:
    group, sink = uuid4().hex[:8], Sink()
    connector = host(broker, group, protocol="3.1.1")
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        async with edge(EdgeName.PYSPARKPLUG, broker, group) as node:
            await sink.until(lambda: last(sink, "count") == (-3, None, 0))
            node.kill()
            await sink.until(lambda: last(sink, "temperature") == (None, None, STALE))
            assert last(sink, "power") == (None, None, STALE)
        async with edge(EdgeName.PYSPARKPLUG, broker, group):
            await sink.until(lambda: last(sink, "count") == (-3, None, 0))
            await sink.until(lambda: len(sink.gaps) == 2)
    assert [gap.cause for gap in sink.gaps] == [Cause.SOURCE_UNREACHABLE] * 2


async def test_the_simulators_wait_for_the_host_and_every_tick_arrives(broker: Broker) -> None:
    group, sink, machine = uuid4().hex[:8], Sink(), Mill(asset="mill", seed=3)
    connector = host(broker, group, host_id=group)
    since = datetime(2026, 11, 21, 8, tzinfo=UTC)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        progress = await sparkplug.publish(
            [machine],
            broker=mqtt.Broker(host=broker.host, port=broker.port),
            identity=sparkplug.Identity(group=group, node="simulator", primary_host=group),
            since=since,
            until=since + timedelta(seconds=60),
        )
        await sink.until(lambda: last(sink, "#power") == (None, None, STALE))
    address = f"spBv1.0/{group}/simulator/mill#axis_x"
    times = {
        time
        for one in sink.deliveries
        for time, at in zip(one.samples.times, one.samples.addresses, strict=True)
        if at == address
    }
    assert len(times) > 30
    assert progress.ticks >= 60
    assert {one.address.rpartition("#")[2]: one.unit for one in sink.described}["power"] == "W"
    assert (sink.rejects, sink.gaps) == ([], [])


async def test_the_host_says_by_state_that_it_is_online_and_when_it_is_gone(broker: Broker) -> None:
    group = uuid4().hex[:8]
    states: list[dict[str, object]] = []
    granted = Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.on_message = lambda _client, _data, message: states.append(json.loads(message.payload))
    client.on_subscribe = lambda *_: granted.set()
    client.connect(broker.host, broker.port_311)
    client.subscribe(f"spBv1.0/STATE/{group}", qos=1)
    client.loop_start()
    try:
        await wait_for(granted.is_set)
        connector = host(broker, group, host_id=group)
        async with running(connector, Sink()):
            await wait_for(lambda: connector.connected and bool(states))
            assert states[-1]["online"] is True
            client.publish(f"spBv1.0/STATE/{group}", '{"online": false, "timestamp": 1}', qos=1)
            await wait_for(lambda: len(states) >= 3)
            assert states[-1] == states[0], "it says again that it is online, since the same time"
        await wait_for(lambda: states[-1]["online"] is False)
        assert isinstance(states[-1]["timestamp"], int)
    finally:
        client.disconnect()
        client.loop_stop()
