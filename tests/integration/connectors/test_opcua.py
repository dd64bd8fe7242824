"""The OPC UA connector against a real server: what comes, what is acknowledged, what is told."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from asyncua import ua

import connectors.opcua.roster
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import shown
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.plant import time_of
from tests.contract.connectors.relay import relay
from tests.contract.connectors.sink import Sink, running, wait_for


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine({"current": ua.Variant(0.0), "speed": ua.Variant(0.0)})
    await machine.start()
    yield machine
    await machine.stop()


def connect(machine: Machine, *names: str, url: str = "", **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 50, "keep_alive": 300} | options
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=url or machine.url, options=every)
    connector = build(source, client_name="gateway-1", environment={"PASSWORD": "open sesame"})
    connector.watch([machine.address(name) for name in names or ("current",)])
    return connector


async def count(machine: Machine, values: range, name: str = "current") -> None:
    for value in values:
        await machine.write(name, ua.Variant(float(value)), at=time_of(value))


async def test_an_answer_is_acknowledged_after_it_is_safe_and_not_before(machine: Machine) -> None:
    sink, connector = Sink(safe=False), connect(machine)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        for seen in range(1, 6):
            await sink.until(partial(lambda seen: len(sink.values()) == seen, seen))
            await count(machine, range(seen, seen + 1))
        await sink.until(lambda: len(sink.deliveries) == 6)
        await asyncio.sleep(0.4)
        assert machine.unacknowledged == len(sink.deliveries)
        sink.make_safe()
        await wait_for(lambda: machine.unacknowledged == 0)


async def test_every_kind_of_value_comes_with_its_time_and_status(machine: Machine) -> None:
    kinds: dict[str, ua.Variant] = {
        "boolean": ua.Variant(True),
        "int": ua.Variant(-7, ua.VariantType.Int64),
        "big": ua.Variant(2**64 - 1, ua.VariantType.UInt64),
        "float": ua.Variant(0.5, ua.VariantType.Float),
        "text": ua.Variant("HELD"),
        "word": ua.Variant(ua.LocalizedText("Halt", "de")),
        "array": ua.Variant([1.0, 2.0, 3.0]),
        "bytes": ua.Variant(b"\x01\x02", ua.VariantType.ByteString),
        "moment": ua.Variant(datetime(2026, 11, 21, 8, tzinfo=UTC)),
    }
    for name, value in kinds.items():
        await machine.add(name, value)
        await machine.write(name, value, at=time_of(1), status=0x40900000)
    names = [name for name in kinds if name != "array"]
    sink = Sink()
    async with running(connect(machine, *names, "array#0", "array#2"), sink):
        await sink.until(lambda: len(sink.values()) == 10 and len(sink.rejects) == 1)
    addresses = [at for delivery in sink.deliveries for at in delivery.samples.addresses]
    rows = dict(zip(addresses, zip(sink.values(), sink.texts, strict=True), strict=True))
    assert {at.rpartition("=")[2]: row for at, row in rows.items()} == {
        "boolean": (1.0, None),
        "int": (-7.0, None),
        "big": (float(2**64 - 1), None),
        "float": (0.5, None),
        "text": (None, "HELD"),
        "word": (None, "Halt"),
        "array#0": (1.0, None),
        "array#1": (2.0, None),
        "array#2": (3.0, None),
        "moment": (None, "2026-11-21T08:00:00+00:00"),
    }
    assert set(sink.times) == {time_of(1)}
    assert {shown(status) for delivery in sink.deliveries for status in delivery.samples.statuses} == {0x4090}
    (reject,) = sink.rejects
    assert (reject.reason, reject.address) == (Reason.WRONG_TYPE, machine.address("bytes"))


async def test_a_value_without_source_time_gets_the_server_s_and_says_so(machine: Machine) -> None:
    moment = Instant.parse("2026-11-21T09:00:00Z")
    await machine.write("current", ua.Variant(1.0), at=None, server_time=moment.datetime())
    await machine.write("speed", ua.Variant(2.0), at=None)
    sink = Sink()
    async with running(connect(machine, "current", "speed"), sink):
        await sink.until(lambda: {1.0, 2.0} <= set(sink.values()))
    (delivery,) = sink.deliveries
    assert delivery.samples.origins == [Clock.SERVER, Clock.RECEIPT]
    assert delivery.samples.times[0] == moment


async def test_a_value_that_repeats_is_taken_with_each_new_time(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        for second in (1, 2, 3):
            await machine.write("current", ua.Variant(7.0), at=time_of(second))
        await sink.until(lambda: sink.values().count(7.0) == 3)
    assert sink.times[-3:] == [time_of(1), time_of(2), time_of(3)]


async def test_addresses_come_and_go_while_it_runs(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine, "current")
    current, speed = machine.address("current"), machine.address("speed")
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values(current)) == 1)
        connector.watch([current, speed])
        await sink.until(lambda: len(sink.values(speed)) == 1)
        connector.watch([speed])
        await wait_for(lambda: [len(one.monitored_item_srv._monitored_items) for one in machine.subscriptions] == [1])
        await count(machine, range(1, 2), "current")
        await count(machine, range(2, 3), "speed")
        await sink.until(lambda: 2.0 in sink.values(speed))
        assert sink.values(current) == [0.0]
        connector.watch([])
        await wait_for(lambda: [len(one.monitored_item_srv._monitored_items) for one in machine.subscriptions] == [0])


async def test_nodes_are_found_by_the_uri_of_their_namespace_after_it_was_renumbered(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await count(machine, range(1, 2))
        await sink.until(lambda: 1.0 in sink.values())
        before = machine.index
        await machine.stop()
        machine.foreign = ["urn:a", "urn:b"]
        await machine.start()
        impostor = ua.NodeId(ua.String("current"), ua.Int16(before))
        await machine.server.nodes.objects.add_variable(impostor, "current", ua.Variant(-1.0))
        assert machine.index == before + 2
        await wait_for(lambda: connector.connected)
        await count(machine, range(2, 3))
        await sink.until(lambda: 2.0 in sink.values())
    assert -1.0 not in sink.values()


async def test_an_unknown_node_is_told_once_and_the_others_go_on_until_it_appears(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connectors.opcua.roster, "RETRY", 0.2)
    sink, connector = Sink(), connect(machine, "later", "current", "never")
    connector.watch([*(machine.address(name) for name in ("later", "current", "never")), "ns=2;s=x", "nsu=urn:no;i=1"])
    with caplog.at_level(logging.WARNING):
        async with running(connector, sink):
            await sink.until(lambda: len(sink.values()) == 1 and len(sink.rejects) == 4)
            await count(machine, range(1, 2))
            await sink.until(lambda: 1.0 in sink.values())
            await asyncio.sleep(0.6)
            await machine.add("later", ua.Variant(5.0))
            await sink.until(lambda: 5.0 in sink.values() and len(sink.gaps) == 1)
    assert {(reject.reason, reject.address) for reject in sink.rejects} == {
        (Reason.UNKNOWN_ADDRESS, machine.address("later")),
        (Reason.UNKNOWN_ADDRESS, machine.address("never")),
        (Reason.UNKNOWN_ADDRESS, "ns=2;s=x"),
        (Reason.UNKNOWN_ADDRESS, "nsu=urn:no;i=1"),
    }
    assert len(sink.rejects) == 4, "told once, however often it is asked for"
    assert len(caplog.records) == 4
    details = {reject.address: reject.detail for reject in sink.rejects}
    assert "BadNodeIdUnknown" in details[machine.address("never")]
    assert "no such namespace" in details["nsu=urn:no;i=1"]
    assert "write it like nsu=" in details["ns=2;s=x"]
    (gap,) = sink.gaps
    assert gap.addresses == (machine.address("later"),)


async def test_an_overflow_of_the_server_s_queue_is_a_gap(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await count(machine, range(1, 3))
        await machine.write("current", ua.Variant(9.0), at=time_of(9), status=0x480)
        await sink.until(lambda: bool(sink.gaps))
    (gap,) = sink.gaps
    assert (gap.start, gap.until, gap.cause) == (time_of(2), time_of(9), Cause.QUEUE_OVERFLOW)
    assert gap.addresses == (machine.address("current"),)


async def test_an_answer_that_did_not_arrive_is_fetched_again(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        lose_the_next_answer(machine, keep=True)
        for value in (1, 2):
            await count(machine, range(value, value + 1))
            await asyncio.sleep(0.2)
        await sink.until(lambda: 2.0 in sink.values())
    assert sink.values() == [0.0, 1.0, 2.0]
    assert sink.gaps == []


async def test_an_answer_that_is_gone_is_a_gap(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        lose_the_next_answer(machine, keep=False)
        for value in (1, 2):
            await count(machine, range(value, value + 1))
            await asyncio.sleep(0.2)
        await sink.until(lambda: 2.0 in sink.values() and bool(sink.gaps))
    assert sink.values() == [0.0, 2.0]
    (gap,) = sink.gaps
    assert gap.cause is Cause.SEQUENCE_HOLE


def lose_the_next_answer(machine: Machine, *, keep: bool) -> None:
    """Let the server make its next answer with values and not send it."""
    (subscription,) = machine.subscriptions
    make = subscription._pop_publish_result

    def lossy() -> ua.PublishResult:
        result = make()
        if not result.NotificationMessage.NotificationData:
            return result
        vars(subscription).pop("_pop_publish_result")
        if not keep:
            subscription._not_acknowledged_results.clear()
        alive = ua.PublishResult(SubscriptionId=result.SubscriptionId, MoreNotifications=False)
        alive.NotificationMessage.SequenceNumber = subscription._notification_seq
        alive.AvailableSequenceNumbers = list(subscription._not_acknowledged_results)
        return alive

    vars(subscription)["_pop_publish_result"] = lossy


async def test_a_subscription_that_the_server_forgot_is_made_anew_within_seconds(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        service = machine.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        await wait_for(lambda: not connector.connected)
        await wait_for(lambda: connector.connected)
        await count(machine, range(1, 2))
        await sink.until(lambda: 1.0 in sink.values() and bool(sink.gaps))
    (gap,) = sink.gaps
    assert gap.cause is Cause.SUBSCRIPTION_LOST


async def test_what_was_measured_while_the_cable_was_pulled_comes_afterwards_and_nothing_is_missing(
    machine: Machine,
) -> None:
    sink = Sink()
    async with relay("127.0.0.1", machine.port) as cable:
        connector = connect(machine, url=f"opc.tcp://127.0.0.1:{cable.port}")
        async with running(connector, sink):
            await sink.until(lambda: len(sink.values()) == 1)
            await count(machine, range(1, 2))
            await sink.until(lambda: 1.0 in sink.values())
            cable.silent = True
            for value in range(2, 10):  # several answers go out into nothing
                await count(machine, range(value, value + 1))
                await asyncio.sleep(0.1)
            await wait_for(lambda: not connector.connected)
            await count(machine, range(10, 20))
            cable.silent = False
            cable.cut()
            await sink.until(lambda: 19.0 in sink.values())
            assert len(machine.subscriptions) == 1, "the subscription is taken over, not left behind"
            await wait_for(lambda: machine.unacknowledged == 0)
    assert sink.values() == [float(value) for value in range(20)]
    assert sink.gaps == []
    assert {origin for delivery in sink.deliveries for origin in delivery.samples.origins} == {Clock.SOURCE}


async def test_many_nodes_are_asked_for_in_requests_that_the_server_can_take(machine: Machine) -> None:
    asked: list[int] = []
    service = machine.server.iserver.subscription_service
    create = service.create_monitored_items

    async def counted(params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        asked.append(len(params.ItemsToCreate))
        return await create(params)

    vars(service)["create_monitored_items"] = counted
    names = [f"v{place}" for place in range(250)]
    for name in names:
        await machine.add(name, ua.Variant(1.0))
    sink = Sink()
    async with running(connect(machine, *names, items_per_call=100), sink):
        await sink.until(lambda: len(sink.values()) == 250)
    assert asked == [100, 100, 50]
