"""The Sparkplug edge node does what specification 3.0 asks: births, data, deaths, rebirths, and the primary host."""

import asyncio
import json
import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulators.errors import InvalidSettingError
from simulators.machines import Mill, Robot
from simulators.mqtt import Broker, MqttVersion
from simulators.schedule import microseconds
from simulators.sparkplug import Identity, protobuf, publish
from simulators.sparkplug.payload import asks_for_rebirth
from simulators.wire import BadWire, WireFault
from tests.integration.simulators.conftest import Cable, TwoVersions

MILL = Mill(asset="mill-1", seed=3)
ROBOT = Robot(asset="robot-1", seed=4)
MACHINES = (MILL, ROBOT)
REBIRTH = protobuf.data(2, protobuf.text(1, "Node Control/Rebirth") + protobuf.number(4, 11) + protobuf.number(14, 1))


@dataclass(frozen=True, kw_only=True)
class Heard:
    kind: str
    device: str
    seq: int | None
    metrics: list[dict[int, int | bytes]]
    retained: bool

    @property
    def bd_seq(self) -> object:
        return next(metric[11] for metric in self.metrics if metric.get(1) == b"bdSeq")


class Host:
    """Hears everything of the group and can speak to the node, as a host application does."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self.ready = Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self.client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _client, _data, message: self._hear(
            message.topic, bytes(message.payload), retained=message.retain
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(60)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def is_online(self, online: bool, at: int) -> None:
        state = json.dumps({"online": online, "timestamp": at})
        self.client.publish("spBv1.0/STATE/scada", state, qos=1, retain=True)

    def of(self, *kinds: str) -> list[Heard]:
        return [one for one in self.heard if one.kind in kinds]

    def order(self) -> list[str]:
        return [one.kind for one in self.heard]

    async def until(self, fulfilled: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not fulfilled():
            assert time.monotonic() < deadline, f"waited in vain; {self.order()[:20]} came"
            await asyncio.sleep(0.02)

    def _hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        _, _group, kind, _node, *device = [*topic.split("/"), ""]
        if kind in {"NCMD", "DCMD"} or topic.startswith("spBv1.0/STATE"):
            return
        fields = list(protobuf.fields(payload))
        self.heard.append(
            Heard(
                kind=kind,
                device=device[0] if device else "",
                seq=next((int(value) for field, value in fields if field == 3), None),
                metrics=[
                    dict(protobuf.fields(value)) for field, value in fields if field == 2 and isinstance(value, bytes)
                ],
                retained=retained,
            )
        )


@pytest.fixture
def host(broker: TwoVersions) -> Iterator[Host]:
    host = Host(broker.v4)
    yield host
    host.close()


@pytest.mark.parametrize("version", list(MqttVersion))
async def test_a_life_from_birth_to_death(broker: TwoVersions, host: Host, version: MqttVersion) -> None:
    port = broker.v5 if version is MqttVersion.V5 else broker.v4
    since = datetime.now(UTC) - timedelta(minutes=5)
    until = since + timedelta(minutes=4)
    await publish(MACHINES, broker=Broker(port=port, version=version), since=since, until=until)
    await host.until(lambda: bool(host.of("NDEATH")))
    assert host.order()[:3] == ["NBIRTH", "DBIRTH", "DBIRTH"]
    assert host.order()[-1] == "NDEATH"
    assert not any(one.retained for one in host.heard)
    living = host.of("NBIRTH", "DBIRTH", "DDATA")
    assert [one.seq for one in living] == [index % 256 for index in range(len(living))]
    assert len(living) > 256
    assert host.of("NDEATH")[0].seq is None
    assert host.of("NDEATH")[0].bd_seq == host.of("NBIRTH")[0].bd_seq


async def test_births_name_and_describe_and_data_carry_every_change(broker: TwoVersions, host: Host) -> None:
    since = datetime.now(UTC) - timedelta(minutes=3)
    await publish(MACHINES, broker=Broker(port=broker.v5), since=since, until=since + timedelta(minutes=2))
    await host.until(lambda: bool(host.of("NDEATH")))
    births = {one.device: one for one in host.of("DBIRTH")}
    assert set(births) == {"mill-1", "robot-1"}
    names: dict[object, str] = {}
    seen: dict[str, list[tuple[object, object]]] = {}
    types = {"text": (12, 15), "boolean": (11, 14), "number": (10, 13)}
    for machine in MACHINES:
        for signal, metric in zip(machine.signals, births[machine.asset].metrics, strict=True):
            data_type, field = (4, 11) if signal.whole else types[signal.kind.value]
            assert (metric[1], metric[4]) == (signal.name.encode(), data_type)
            names[metric[2]] = f"{machine.asset}/{signal.name}"
            seen[f"{machine.asset}/{signal.name}"] = [(metric[3], metric[field])]
            assert (b"engUnit" in bytes(metric.get(9, b""))) == bool(signal.unit)
    assert len(names) == 31
    for data in host.of("DDATA"):
        for metric in data.metrics:
            assert 1 not in metric
            assert metric[5] == 1
            seen[names[metric[2]]].append(
                (metric[3], next(metric[field] for field in (11, 13, 14, 15) if field in metric))
            )
    first = -(-microseconds(since, "since") // 1_000_000) * 1_000_000
    times = first + np.arange(120, dtype=np.int64) * 1_000_000
    for machine in MACHINES:
        columns = machine.at(times)
        for signal in machine.signals:
            column = columns.values[signal.name].tolist()
            changed = [
                (at // 1000, _raw(value))
                for index, (at, value) in enumerate(zip(times.tolist(), column, strict=True))
                if index == 0 or value != column[index - 1]
            ]
            assert seen[f"{machine.asset}/{signal.name}"] == changed, signal.name


def _raw(value: object) -> object:
    match value:
        case float():
            return struct.pack("<d", value)
        case str():
            return value.encode()
        case _:
            assert isinstance(value, int)
            return int(value)


def bad(fault: WireFault, *, seconds: float = 0.0, share: float = 1.0) -> BadWire:
    begin = microseconds(datetime.now(UTC) - timedelta(minutes=5), "begin")
    return BadWire(fault=fault, from_us=begin + 20_000_000, until_us=begin + 60_000_000, seconds=seconds, share=share)


@pytest.mark.parametrize(
    "wire",
    [
        bad(WireFault.DROP_OUT),
        bad(WireFault.DUPLICATE),
        bad(WireFault.OUT_OF_ORDER),
        bad(WireFault.CLOCK_SKEW, seconds=7.0),
        bad(WireFault.BURST),
    ],
    ids=lambda wire: str(wire.fault),
)
async def test_a_bad_wire_shows_in_data_and_never_in_births(broker: TwoVersions, host: Host, wire: BadWire) -> None:
    since = datetime.fromtimestamp(wire.from_us / 1e6, UTC) - timedelta(seconds=20)
    await publish(
        [MILL], broker=Broker(port=broker.v5), since=since, until=since + timedelta(minutes=2), wires={"mill-1": [wire]}
    )
    await host.until(lambda: bool(host.of("NDEATH")))
    assert len(host.of("DBIRTH")) == 1
    numbers = [one.seq for one in host.of("NBIRTH", "DBIRTH", "DDATA")]
    data = host.of("DDATA")
    times = [int(one.metrics[0][3]) * 1000 for one in data]
    hit = [at for at in times if wire.from_us <= at < wire.until_us]
    whole = [int(at) for at in (-(-microseconds(since, "since") // 1_000_000) + np.arange(120)) * 1_000_000]
    expected = [at for at in whole if wire.from_us <= at < wire.until_us]
    match wire.fault:
        case WireFault.DROP_OUT:
            assert hit == []
            assert sum(later != (earlier or 0) + 1 for earlier, later in pairwise(numbers)) == 1
            assert numbers[-1] == len(whole)
        case WireFault.DUPLICATE:
            assert hit == [at for at in expected for _ in range(2)]
        case WireFault.OUT_OF_ORDER:
            assert hit != sorted(hit)
            assert sorted(hit) == expected
        case WireFault.CLOCK_SKEW:
            assert times == [at + 7_000_000 * (at in expected) for at in whole[1:]]
        case _:
            assert [at for at in times if at in set(expected)] == expected
            place = times.index(expected[0])
            assert times[place - 1] < wire.from_us
    if wire.fault is not WireFault.DROP_OUT:
        assert numbers == list(range(len(numbers)))


async def test_garbage_and_broken_connections_come_from_the_wire_too(
    broker: TwoVersions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    raw: list[tuple[str, bytes]] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    ready = Event()
    client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: raw.append(
        (message.topic.split("/")[2], bytes(message.payload))
    )
    client.connect("127.0.0.1", broker.v4)
    client.loop_start()
    assert ready.wait(60)
    garbage, storm = bad(WireFault.GARBAGE), bad(WireFault.RECONNECT_STORM, seconds=20.0)
    since = datetime.fromtimestamp(garbage.from_us / 1e6, UTC) - timedelta(seconds=20)
    until = since + timedelta(minutes=2)
    await publish([MILL], broker=Broker(port=broker.v5), since=since, until=until, wires={"mill-1": [garbage, storm]})

    def readable(payload: bytes) -> bool:
        try:
            return any(field == 3 for field, _ in protobuf.fields(payload))
        except protobuf.NotProtobufError:
            return False

    def garbled() -> list[str]:
        return [kind for kind, payload in list(raw) if not readable(payload)]

    deadline = time.monotonic() + 60
    while "DDATA" not in garbled() or [kind for kind, _ in list(raw)].count("NDEATH") < 2:
        assert time.monotonic() < deadline, [kind for kind, _ in raw][-20:]
        await asyncio.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    assert set(garbled()) <= {"DDATA", "NDEATH"}


async def test_a_rebirth_is_given_when_asked_for(broker: TwoVersions, host: Host) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(publish([MILL], broker=Broker(port=broker.v5), rate=5, stop=stop))
    await host.until(lambda: len(host.of("DDATA")) >= 2)
    host.client.publish("spBv1.0/fieldlab/NCMD/simulator", b"\x12\x03nonsense", qos=0)
    host.client.publish("spBv1.0/fieldlab/NCMD/simulator", REBIRTH, qos=0)
    await host.until(lambda: len(host.of("DBIRTH")) == 2)
    stop.set()
    await task
    first, second = host.of("NBIRTH")
    assert (second.seq, second.bd_seq) == (0, first.bd_seq)


async def test_a_cut_cable_brings_a_death_and_a_new_birth(
    broker: TwoVersions, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with Cable(broker.v5) as cable:
        stop = asyncio.Event()
        task = asyncio.create_task(publish([MILL], broker=Broker(port=cable.port), rate=5, stop=stop))
        await host.until(lambda: len(host.of("DDATA")) >= 2)
        cable.cut()
        await host.until(lambda: len(host.of("DBIRTH")) == 2)
        await host.until(lambda: any(5 in metric for one in host.of("DDATA") for metric in one.metrics))
        stop.set()
        await task
    first, second = host.of("NBIRTH")
    assert second.bd_seq == int(str(first.bd_seq)) + 1
    assert host.of("NDEATH")[0].bd_seq == first.bd_seq


async def test_nothing_is_said_while_the_primary_host_is_offline(
    broker: TwoVersions, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    identity = Identity(primary_host="scada")
    stop = asyncio.Event()
    host.is_online(False, 1000)
    task = asyncio.create_task(publish([MILL], broker=Broker(port=broker.v5), identity=identity, rate=5, stop=stop))
    await asyncio.sleep(0.7)
    assert host.heard == []
    host.is_online(True, 2000)
    await host.until(lambda: len(host.of("DDATA")) >= 2)
    host.is_online(False, 1500)
    await asyncio.sleep(0.3)
    assert host.of("NDEATH") == []
    host.is_online(False, 3000)
    await host.until(lambda: bool(host.of("NDEATH")))
    silent = len(host.of("DDATA"))
    await asyncio.sleep(1.5)
    assert len(host.of("DDATA")) == silent
    host.is_online(True, 4000)
    await host.until(lambda: len(host.of("NBIRTH")) == 2)
    stop.set()
    await task


@given(st.binary(max_size=60))
def test_a_command_that_is_no_payload_asks_for_nothing(command: bytes) -> None:
    assert not asks_for_rebirth(command)
    assert asks_for_rebirth(REBIRTH)


@given(st.integers(-(2**63), 2**64 - 1))
def test_numbers_survive_their_encoding(number: int) -> None:
    assert list(protobuf.fields(protobuf.number(7, number))) == [(7, number & (2**64 - 1))]


def test_an_identity_that_would_break_a_topic_is_refused() -> None:
    with pytest.raises(InvalidSettingError, match="group"):
        Identity(group="a/b")
