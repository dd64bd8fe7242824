"""Events and alarms of a server arrive, and only those that are wanted."""

from collections.abc import AsyncIterator

import pytest
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.sink import Sink, running, wait_for


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine({"current": ua.Variant(0.0)})
    await machine.start()
    yield machine
    await machine.stop()


def connect(machine: Machine, *bound: str, **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 50, "keep_alive": 300} | options
    source = Source(id=1, slug="mill", wire=Wire.OPCUA, url=machine.url, options=every)
    connector = build(source, client_name="gateway-1", environment={})
    connector.watch(bound)
    return connector


def told(sink: Sink) -> dict[str, float | str | None]:
    found = {}
    for delivery in sink.deliveries:
        samples = delivery.samples
        for address, value, text in zip(samples.addresses, samples.values, samples.texts, strict=True):
            found[address] = value if text is None else text
    return found


async def test_an_event_of_the_machine_s_own_type_tells_message_and_severity(machine: Machine) -> None:
    kind = await machine.server.create_custom_event_type(machine.index, "DoorOpened")
    generator = await machine.server.get_event_generator(kind, machine.server.nodes.server.nodeid)
    sink, connector = Sink(), connect(machine, events=["i=2253"])
    async with running(connector, sink):
        await wait_for(lambda: connector.connected, seconds=60)
        for severity in (300, 700):
            generator.event.Severity = ua.UInt16(severity)
            await generator.trigger(message=f"opened at {severity}")
        await sink.until(lambda: told(sink).get("i=2253#!DoorOpened.Severity") == 700.0, seconds=60)
    texts = [text for text in sink.texts if text is not None]
    assert texts == ["opened at 300", "opened at 700"]
    assert {one.address for one in sink.described} == {"i=2253#!DoorOpened.Message", "i=2253#!DoorOpened.Severity"}


async def test_an_alarm_tells_its_states_beside_message_and_severity(machine: Machine) -> None:
    alarm = await machine.server.get_event_generator(
        ua.NodeId(ua.Int32(ObjectIds.AlarmConditionType)), machine.server.nodes.server.nodeid
    )
    event = alarm.event
    vars(event).update({"ConditionName": "Overheated", "Retain": True, "ActiveState/Id": True, "AckedState/Id": False})
    event.Severity = ua.UInt16(900)
    address = "i=2253#!Overheated"
    sink, connector = Sink(), connect(machine, events=["i=2253"])
    async with running(connector, sink):
        await wait_for(lambda: connector.connected, seconds=60)
        await alarm.trigger(message="too hot")
        await sink.until(lambda: f"{address}.Active" in told(sink), seconds=60)
    found = told(sink)
    assert (found[f"{address}.Active"], found[f"{address}.Acked"], found[f"{address}.Retain"]) == (1.0, 0.0, 1.0)
    assert (found[f"{address}.Message"], found[f"{address}.Severity"]) == ("too hot", 900.0)


async def test_only_what_is_bound_is_taken_where_nobody_asked_for_all(machine: Machine) -> None:
    generator = await machine.server.get_event_generator()
    bound = "i=2253#!BaseEventType.Severity"
    sink, connector = Sink(), connect(machine, bound, machine.address("current"))
    async with running(connector, sink):
        await wait_for(lambda: connector.connected, seconds=60)
        generator.event.Severity = ua.UInt16(5)
        await generator.trigger(message="not wanted")
        await sink.until(lambda: told(sink).get(bound) == 5.0, seconds=60)
    assert set(told(sink)) == {bound, machine.address("current")}


async def test_a_node_that_tells_no_events_is_told_once_and_values_go_on(machine: Machine) -> None:
    sink = Sink()
    async with running(connect(machine, machine.address("current"), events=["nsu=urn:nobody;s=none"]), sink):
        await sink.until(lambda: sink.values() == [0.0] and len(sink.rejects) == 1, seconds=60)
    assert "tells no events" in sink.rejects[0].detail
