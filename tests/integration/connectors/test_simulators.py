"""A simulated machine's every sample arrives, with its own time and nothing changed on the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from simulators import mqtt, opcua
from simulators.columns import Columns
from simulators.machine import Machine
from simulators.machines import Mill, Robot
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.servers.broker import Broker
from tests.servers.port import free_port

SINCE = datetime(2026, 11, 21, 8, tzinfo=UTC)
SECONDS = 120
UNTIL = SINCE + timedelta(seconds=SECONDS)


def truth(machine: Machine) -> Columns:
    start = int(SINCE.timestamp()) * 1_000_000
    return machine.at(start + 1_000_000 * np.arange(SECONDS, dtype=np.int64))


def agree(sink: Sink, machine: Machine, prefix: str) -> None:
    """Check that what arrived is what the machine did: every signal at every second."""
    true = truth(machine)
    got: dict[str, dict[int, float | str | None]] = {}
    for delivery in sink.deliveries:
        rows = delivery.samples
        for address, time, value, text in zip(rows.addresses, rows.times, rows.values, rows.texts, strict=True):
            got.setdefault(address.removeprefix(prefix), {})[int(time)] = value if text is None else text
    assert set(got) == {signal.name for signal in machine.signals}
    for signal in machine.signals:
        column = true.values[signal.name].tolist()
        expected = {int(time): value for time, value in zip(true.times_us.tolist(), column, strict=True)}
        assert {time: got[signal.name].get(time) for time in expected} == expected, signal.name


async def test_a_mill_over_mqtt(broker: Broker) -> None:
    machine, name = Mill(asset=f"mill-{uuid4().hex[:8]}", seed=3), uuid4().hex[:8]
    topic = f"lab/{machine.asset}/telemetry"
    source = Source(
        id=1, slug=name, wire=Wire.MQTT, url=f"mqtt://{broker.host}:{broker.port}", options={"topics": [topic]}
    )
    sink, connector = Sink(), build(source, client_name="gateway", environment={})
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await mqtt.publish([machine], broker=mqtt.Broker(host=broker.host, port=broker.port), since=SINCE, until=UNTIL)
        await sink.until(lambda: len(sink.times) >= SECONDS * len(machine.signals))
    agree(sink, machine, f"{topic}#")
    assert sink.rejects == []
    assert sink.gaps == []


async def test_a_robot_over_opc_ua() -> None:
    machine, prefix = Robot(asset="robot-1", seed=4), f"nsu={opcua.NAMESPACE};s=robot-1/"
    url, listening, done = f"opc.tcp://127.0.0.1:{free_port()}", asyncio.Event(), asyncio.Event()
    options = {"security": "none", "publishing_interval": 50, "keep_alive": 500}
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=url, options=options)
    sink, connector = Sink(), build(source, client_name="gateway", environment={})
    connector.watch([f"{prefix}{signal.name}" for signal in machine.signals])
    serving = asyncio.create_task(opcua.serve([machine], endpoint=url, since=SINCE, stop=done, listening=listening))
    async with running(connector, sink):
        last = int((UNTIL - timedelta(seconds=1)).timestamp()) * 1_000_000
        await sink.until(lambda: sink.times.count(last) == len(machine.signals), seconds=60)
    done.set()
    await serving
    agree(sink, machine, prefix)
    assert sink.rejects == []
    assert [gap for gap in sink.gaps if gap.addresses is not None] == []
