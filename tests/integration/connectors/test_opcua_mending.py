"""What was missed over OPC UA is fetched from the server's history, and the gap is closed; or it stays, and says so."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from asyncua import ua

import connectors.opcua.mender
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector, Mending
from fieldlab.readings.gap import Cause, Gap, OpenGap
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Origin, origin_of
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.sink import Sink, running, wait_for

BEGAN = Instant(Instant.now() // SECOND * SECOND - 60 * SECOND)


def moment(value: float) -> Instant:
    """When a value is measured: 10 ms after the one before, a minute ago."""
    return Instant(BEGAN + int(value) * SECOND // 100)


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    monkeypatch.setattr(connectors.opcua.mender, "TRIES", (0.2, 0.2))
    machine = Machine({"current": ua.Variant(0.0), "speed": ua.Variant(0.0)}, remembers=True)
    await machine.start()
    for name in machine.variables:
        machine.past[name].clear()
        await count(machine, range(1, 2), name)
    yield machine
    await machine.stop()


def connect(machine: Machine, *names: str, heard_until: Instant | None = None, **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 50, "keep_alive": 300} | options
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=machine.url, options=every)
    connector = build(source, client_name="gateway-1", environment={}, heard_until=heard_until)
    connector.watch([machine.address(name) for name in names or ("current",)])
    return connector


async def count(machine: Machine, values: range, name: str = "current") -> None:
    for value in values:
        await machine.write(name, ua.Variant(float(value)), at=moment(value))


def closed(sink: Sink) -> list[Gap]:
    return [gap for gap in sink.gaps if gap.recovered is not None]


def still_open(sink: Sink) -> list[Gap]:
    return [gap for gap in sink.gaps if gap.recovered is None]


def of_history(sink: Sink) -> list[float | None]:
    return [
        value
        for delivery in sink.deliveries
        for value, origin in zip(delivery.samples.values, delivery.samples.origins, strict=True)
        if origin_of(origin) is Origin.HISTORY
    ]


async def away(machine: Machine, connector: Connector, sink: Sink, values: range) -> None:
    """Have the server restart, and its machine measure values meanwhile that only the history knows."""
    await machine.stop()
    await wait_for(lambda: not connector.connected)
    for value in values:
        for name in machine.past:
            machine.measured(name, ua.Variant(float(value)), at=moment(value))
    await machine.start()
    await sink.until(lambda: bool(sink.gaps))


async def test_what_was_measured_while_the_server_could_not_be_reached_is_fetched_to_the_sample(
    machine: Machine,
) -> None:
    sink, connector = Sink(), connect(machine, "current", "speed")
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 2)
        await count(machine, range(2, 10))
        await sink.until(lambda: 9.0 in sink.values())
        await away(machine, connector, sink, range(10, 2_010))
        await sink.until(lambda: len(closed(sink)) == 2)
    assert [one for one in sink.values(machine.address("current")) if one != 2_009.0] == [
        float(value) for value in range(1, 2_009)
    ]
    assert set(sink.values(machine.address("speed"))) - {1.0} == {float(value) for value in range(10, 2_010)}
    (told,) = still_open(sink)
    recovered = {gap.addresses: gap.recovered for gap in closed(sink)}
    assert recovered == {(machine.address("current"),): 1_999, (machine.address("speed"),): 1_999}
    assert {(gap.start, gap.until, gap.cause) for gap in closed(sink)} == {(told.start, told.until, told.cause)}
    assert told.cause is Cause.SOURCE_UNREACHABLE


async def test_a_gap_in_which_nothing_changed_is_closed_with_nothing(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: 1.0 in sink.values())
        await away(machine, connector, sink, range(0))
        await sink.until(lambda: bool(closed(sink)))
    assert [gap.recovered for gap in closed(sink)] == [0]


async def test_a_history_that_begins_after_the_loss_is_fetched_and_closes_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    sink, connector = Sink(), connect(machine)
    with caplog.at_level(logging.WARNING):
        async with running(connector, sink):
            await sink.until(lambda: 1.0 in sink.values())
            machine.past["current"].clear()
            machine.measured("current", ua.Variant(5.0), at=moment(5))
            await away(machine, connector, sink, range(6, 10))
            await sink.until(lambda: 8.0 in of_history(sink))
            await wait_for(lambda: "does not go back" in caplog.text)
    assert of_history(sink) == [5.0, 6.0, 7.0, 8.0]
    assert closed(sink) == []


async def test_an_overflow_is_mended_between_the_values_around_it(machine: Machine) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await count(machine, range(2, 4))
        await sink.until(lambda: 3.0 in sink.values())
        for value in range(4, 9):
            machine.measured("current", ua.Variant(float(value)), at=moment(value))
        await machine.write("current", ua.Variant(9.0), at=moment(9), status=0x480)
        await sink.until(lambda: bool(closed(sink)))
    assert of_history(sink) == [4.0, 5.0, 6.0, 7.0, 8.0]
    (gap,) = closed(sink)
    assert (gap.start, gap.until, gap.cause) == (moment(3), moment(9), Cause.QUEUE_OVERFLOW)
    assert gap.recovered == 5


async def test_a_first_connection_fetches_the_past_it_is_told_to(machine: Machine) -> None:
    for value in range(2, 300):
        machine.measured("current", ua.Variant(float(value)), at=moment(value))
    await count(machine, range(300, 301))
    sink = Sink()
    async with running(connect(machine, backfill="P1D"), sink):
        await sink.until(lambda: 299.0 in of_history(sink))
    assert of_history(sink) == [float(value) for value in range(1, 300)]
    assert sink.gaps == []


async def test_what_an_earlier_process_missed_is_fetched(machine: Machine) -> None:
    for value in range(2, 30):
        machine.measured("current", ua.Variant(float(value)), at=moment(value))
    await count(machine, range(30, 31))
    sink = Sink()
    async with running(connect(machine, heard_until=moment(10)), sink):
        await sink.until(lambda: bool(closed(sink)))
    assert set(range(10, 30)) <= set(of_history(sink))
    assert still_open(sink)[0].start == moment(10)


async def test_the_newest_gap_is_mended_first_and_live_values_go_on_meanwhile(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors.opcua.mender, "PAGE", 50)
    for value in range(2, 1_000):
        machine.measured("current", ua.Variant(float(value)), at=moment(value))
    await count(machine, range(1_000, 1_001))
    sink = Sink()
    async with running(connect(machine, backfill="P1D"), sink):
        await sink.until(lambda: len(of_history(sink)) > 100)
        machine.measured("current", ua.Variant(1_001.0), at=moment(1_001))
        await machine.write("current", ua.Variant(1_002.0), at=moment(1_002), status=0x480)
        await sink.until(lambda: bool(closed(sink)))
        assert 999.0 not in of_history(sink)
        assert 1_001.0 in of_history(sink)
        await sink.until(lambda: 999.0 in of_history(sink))


async def test_a_server_that_keeps_no_history_leaves_the_gap_as_it_is() -> None:
    machine = Machine({"current": ua.Variant(0.0)})
    await machine.start()
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        await machine.stop()
        await wait_for(lambda: not connector.connected)
        await machine.start()
        await sink.until(lambda: bool(sink.gaps))
        await count(machine, range(1, 2))
        await sink.until(lambda: 1.0 in sink.values())
    assert closed(sink) == []
    await machine.stop()


async def test_a_first_connection_that_takes_its_time_leaves_no_gap(machine: Machine) -> None:
    create = machine.server.iserver.subscription_service.create_monitored_items

    async def slow(params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        await asyncio.sleep(0.3)
        return await create(params)

    vars(machine.server.iserver.subscription_service)["create_monitored_items"] = slow
    sink, connector = Sink(), connect(machine, "current", "speed", items_per_call=1)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await count(machine, range(2, 4))
        await sink.until(lambda: 3.0 in sink.values())
    assert sink.gaps == []


async def test_a_gap_that_an_earlier_process_left_is_mended_from_a_history_that_goes_on_behind_it(
    machine: Machine,
) -> None:
    for value in range(2, 100):
        machine.measured("current", ua.Variant(float(value)), at=moment(value))
    await count(machine, range(100, 101))
    sink, connector, until = Sink(), connect(machine), Instant(moment(50) - 1)
    left = OpenGap(
        address=machine.address("current"),
        start=moment(12),
        until=until,
        cause=Cause.SOURCE_UNREACHABLE,
        heard=moment(9),
        known=3,
    )
    assert isinstance(connector, Mending)
    connector.recall([left, replace(left, address="nsu=urn:elsewhere;s=gone")])
    async with running(connector, sink):
        await sink.until(lambda: bool(closed(sink)))
    assert of_history(sink) == [float(value) for value in range(10, 50)]
    (gap,) = sink.gaps
    assert (gap.start, gap.until, gap.cause, gap.addresses) == (left.start, until, left.cause, (left.address,))
    assert gap.recovered == 40 - 3, "what was there before does not count"
