"""What is published on MQTT arrives at a real broker's subscriber: all of it, in order, with the machine's values."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulators.columns import Times
from simulators.errors import InvalidSettingError
from simulators.machines import Mill, Robot
from simulators.mqtt import Broker, MqttVersion, publish, publish_frames
from simulators.scenario import read_scenario
from simulators.schedule import microseconds
from simulators.telemetry import payload_of, time_text
from simulators.vibration import acceleration
from simulators.wire import BadWire, WireFault
from tests.integration.simulators.conftest import Cable, TwoVersions

MILL = Mill(asset="mill-1", seed=3)
ROBOT = Robot(asset="robot-1", seed=4)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Listener:
    """A subscriber to everything; keeps (topic, decoded payload, QoS, retained)."""

    def __init__(self, port: int, heard: Callable[[str, bytes], None] | None = None) -> None:
        self.messages: list[tuple[str, dict[str, Any], int, bool]] = []
        self._heard = heard
        self.ready = Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.on_message = lambda _client, _data, message: self._hear(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.ready.wait(60)

    def _hear(self, message: MQTTMessage) -> None:
        if self._heard is not None:
            self._heard(message.topic, bytes(message.payload))
            return
        self.messages.append((message.topic, json.loads(message.payload), message.qos, message.retain))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def has(self, count: int) -> bool:
        return len(self.messages) >= count

    async def until(self, fulfilled: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not fulfilled():
            assert time.monotonic() < deadline, f"waited in vain; {len(self.messages)} messages came"
            await asyncio.sleep(0.02)


@pytest.fixture
def listener(broker: TwoVersions) -> Iterator[Listener]:
    listener = Listener(broker.v4)
    yield listener
    listener.close()


def noon_ticks(count: int) -> Times:
    return microseconds(NOON, "noon") + np.arange(count, dtype=np.int64) * 1_000_000


def broker_of(broker: TwoVersions, version: MqttVersion) -> Broker:
    return Broker(port=broker.v5 if version is MqttVersion.V5 else broker.v4, version=version)


@pytest.mark.parametrize("version", list(MqttVersion))
async def test_a_stretch_of_the_past_arrives_whole_and_in_order(
    broker: TwoVersions, listener: Listener, version: MqttVersion
) -> None:
    caught_up = asyncio.Event()
    done = await publish(
        [MILL, ROBOT],
        broker=broker_of(broker, version),
        since=NOON,
        until=NOON + timedelta(minutes=10),
        caught_up=caught_up,
    )
    assert caught_up.is_set()
    assert (done.ticks, done.samples, done.refused) == (600, 600 * (15 + 16), 0)
    await listener.until(lambda: len(listener.messages) >= 1200)
    assert len(listener.messages) == 1200
    times = microseconds(NOON, "noon") + np.arange(600, dtype=np.int64) * 1_000_000
    for machine in (MILL, ROBOT):
        heard = [body for topic, body, _, _ in listener.messages if topic == f"lab/{machine.asset}/telemetry"]
        names = [signal.name for signal in machine.signals]
        expected = [dict(zip(names, values, strict=True)) for _, values in machine.at(times).rows()]
        stamps = [body.pop("time") for body in heard]
        assert heard == expected
        assert stamps[0] == "2026-11-21T12:00:00.000000Z"
        assert [microseconds(datetime.fromisoformat(stamp), "time") for stamp in stamps] == times.tolist()
    assert {(qos, retained) for _, _, qos, retained in listener.messages} == {(1, False)}


async def test_late_ticks_go_out_many_at_once_and_live_ones_alone(broker: TwoVersions) -> None:
    heard: dict[str, list[Any]] = {MILL.asset: [], ROBOT.asset: []}
    listener = Listener(broker.v4, lambda topic, payload: heard[topic.split("/")[1]].append(json.loads(payload)))
    stop, since = asyncio.Event(), datetime.now(UTC) - timedelta(seconds=300)
    faulty = BadWire(fault=WireFault.DROP_OUT, from_us=0, until_us=1)
    task = asyncio.create_task(
        publish(
            [MILL, ROBOT],
            broker=broker_of(broker, MqttVersion.V5),
            since=since,
            batch=60,
            stop=stop,
            wires={ROBOT.asset: [faulty]},
        )
    )
    await listener.until(lambda: sum(isinstance(one, dict) for one in heard[MILL.asset]) >= 2)
    stop.set()
    async with asyncio.timeout(60):
        done = await task
    await listener.until(lambda: len(heard[ROBOT.asset]) >= done.ticks)
    listener.close()
    series = [one for one in heard[MILL.asset] if isinstance(one, list)]
    assert [len(one) for one in series[:4]] == [60, 60, 60, 60]
    flat = [body for one in heard[MILL.asset] for body in (one if isinstance(one, list) else [one])]
    times = microseconds(since, "since") // 1_000_000 * 1_000_000 + 1_000_000 * np.arange(1, done.ticks + 1)
    names = [signal.name for signal in MILL.signals]
    assert [[body[name] for name in names] for body in flat] == [list(row) for _, row in MILL.at(times).rows()]
    assert [microseconds(datetime.fromisoformat(str(body["time"])), "time") for body in flat] == times.tolist()
    assert all(isinstance(one, dict) for one in heard[ROBOT.asset])


async def test_after_the_past_it_goes_on_live_without_a_hole(broker: TwoVersions, listener: Listener) -> None:
    stop, caught_up = asyncio.Event(), asyncio.Event()
    begun = datetime.now(UTC)
    task = asyncio.create_task(
        publish(
            [MILL],
            broker=broker_of(broker, MqttVersion.V5),
            since=begun - timedelta(seconds=20),
            rate=10,
            stop=stop,
            caught_up=caught_up,
        )
    )
    async with asyncio.timeout(60):
        await caught_up.wait()
    past = len(listener.messages)
    await listener.until(lambda: len(listener.messages) >= past + 10)
    stop.set()
    async with asyncio.timeout(60):
        done = await task
    await listener.until(lambda: len(listener.messages) >= done.ticks)
    times = [microseconds(datetime.fromisoformat(body["time"]), "time") for _, body, _, _ in listener.messages]
    assert set(np.diff(times).tolist()) == {100_000}
    assert times[0] == -(-microseconds(begun - timedelta(seconds=20), "begin") // 100_000) * 100_000
    assert times[-1] <= microseconds(datetime.now(UTC), "now")


@pytest.mark.parametrize("version", list(MqttVersion))
async def test_a_cut_cable_costs_nothing(
    broker: TwoVersions, listener: Listener, version: MqttVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with Cable(broker.v5 if version is MqttVersion.V5 else broker.v4) as cable:
        stop = asyncio.Event()
        task = asyncio.create_task(
            publish(
                [MILL],
                broker=Broker(port=cable.port, version=version),
                rate=50,
                since=datetime.now(UTC) - timedelta(seconds=60),
                stop=stop,
            )
        )
        for heard in (500, 3030):
            await listener.until(partial(listener.has, heard))
            cable.cut()
        await listener.until(lambda: len(listener.messages) >= 3100)
        stop.set()
        async with asyncio.timeout(60):
            done = await task
    await listener.until(lambda: len({body["time"] for _, body, _, _ in listener.messages}) == done.ticks)
    assert cable.cuts == 2
    told = list(dict.fromkeys(body["time"] for _, body, _, _ in listener.messages))
    assert told == sorted(told)


@pytest.mark.parametrize("version", list(MqttVersion))
async def test_a_broker_that_restarts_and_forgets_everything_is_found_again(
    broker: TwoVersions, version: MqttVersion, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    stop = asyncio.Event()
    task = asyncio.create_task(publish([MILL], broker=broker_of(broker, version), rate=20, stop=stop))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)
    after = Listener(broker.v4)
    await after.until(lambda: len(after.messages) >= 40)
    after.close()
    stop.set()
    assert (await task).refused == 0


async def test_a_broker_that_is_not_there_yet_is_waited_for(
    broker: TwoVersions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    broker.stop()
    task = asyncio.create_task(
        publish([MILL], broker=Broker(port=broker.v5), since=NOON, until=NOON + timedelta(seconds=5))
    )
    await asyncio.sleep(0.3)
    assert not task.done()
    assert f"no broker at 127.0.0.1:{broker.v5}" in caplog.text
    await asyncio.to_thread(broker.start)
    async with asyncio.timeout(60):
        assert (await task).ticks == 5


async def test_it_stops_while_the_broker_is_away(broker: TwoVersions, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    broker.stop()
    stop, caught_up = asyncio.Event(), asyncio.Event()
    now = datetime.now(UTC)
    task = asyncio.create_task(
        publish([MILL], broker=Broker(port=broker.v5), since=now - timedelta(hours=1), stop=stop, caught_up=caught_up)
    )
    await asyncio.sleep(0.3)
    stop.set()
    async with asyncio.timeout(60):
        done = await task
    assert done.ticks == 0
    assert not caught_up.is_set()


async def test_a_cancelled_publication_leaves_no_thread(broker: TwoVersions) -> None:
    task = asyncio.create_task(publish([MILL], broker=Broker(port=broker.v5), rate=50))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bad_wire_does_to_the_messages_what_the_scenario_says(broker: TwoVersions, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(
        """
        faults:
          - {asset: mill-1, fault: drop_out, from: 10s, until: 20s}
          - {asset: mill-1, fault: duplicate, from: 20s, until: 30s}
          - {asset: mill-1, fault: clock_skew, seconds: 3600, from: 30s, until: 40s}
          - {asset: mill-1, fault: garbage, from: 40s, until: 50s}
          - {asset: mill-1, fault: reconnect_storm, seconds: 10, from: 50s, until: 60s}
          - {asset: mill-1, fault: burst, from: 70s, until: 90s}
        """
    )
    staged = read_scenario(file).stage([MILL], microseconds(NOON, "noon"))
    raw: list[tuple[str, bytes]] = []
    listener = Listener(broker.v4, lambda topic, payload: raw.append((topic, payload)))
    done = await publish(
        staged.machines,
        broker=Broker(port=broker.v5),
        since=NOON,
        until=NOON + timedelta(seconds=90),
        wires=staged.wires,
        truth=staged.truth,
    )
    assert done.ticks == 90
    sent = {payload_of(MILL, time_text(at), values) for at, values in MILL.at(noon_ticks(90)).rows()}

    def told(topic: str) -> Counter[bytes]:
        return Counter(body for about, body in list(raw) if about == f"lab/mill-1/{topic}")

    def good() -> Counter[bytes]:  # a message whose acknowledgement a broken connection takes along comes again
        return Counter({payload: times for payload, times in told("telemetry").items() if payload in sent})

    def skewed() -> int:
        return sum(b"T13:00:3" in payload for payload in told("telemetry"))

    def twice() -> int:
        return sum(times > 1 for payload, times in good().items() if b"T12:00:2" in payload)

    await listener.until(lambda: len(good()) >= 60 and twice() >= 10 and skewed() >= 10 and len(told("truth")) >= 90)
    listener.close()
    assert (len(good()), skewed()) == (90 - 10 - 10 - 10, 10)
    truth = [json.loads(payload)["fault"] for payload in told("truth")]
    assert sorted(Counter(truth).items()) == [
        ("burst", 20), ("clock_skew", 10), ("drop_out", 10), ("duplicate", 10), ("garbage", 10), ("none", 20),
        ("reconnect_storm", 10),
    ]  # fmt: skip


async def test_frames_of_vibration_arrive_whole_and_join(broker: TwoVersions, listener: Listener) -> None:
    done = await publish_frames([MILL], broker=Broker(port=broker.v5), since=NOON, until=NOON + timedelta(seconds=3))
    assert (done.ticks, done.samples) == (30, 30_000)
    await listener.until(lambda: len(listener.messages) >= 30)
    assert {topic for topic, _, _, _ in listener.messages} == {"lab/mill-1/vibration"}
    times = microseconds(NOON, "noon") + np.arange(30_000, dtype=np.int64) * 100
    heard = [sample for _, body, _, _ in listener.messages for sample in body["samples"]]
    assert heard == acceleration(MILL, times).tolist()


async def test_two_machines_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="mill-1"):
        await publish([MILL, MILL])
    with pytest.raises(InvalidSettingError, match="no machine"):
        await publish([])
