"""`fieldlab simulate` as it is typed, against a real broker."""

import csv
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulators.sparkplug.identity import Identity
from tests.servers.broker import Broker, BrokerName
from tests.servers.port import free_port

SINCE = datetime(2026, 11, 21, 12, tzinfo=UTC)
pytestmark = pytest.mark.parametrize("broker", [BrokerName.EMBEDDED], indirect=True, ids=str)


def simulate(*words: str) -> str:
    command = [sys.executable, "-m", "cli", "simulate", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


class Ear:
    """Hears everything on some topics; `until` waits for a number of messages."""

    def __init__(self, broker: Broker, *topics: str) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._more = threading.Condition()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        joined = threading.Event()
        self.client.on_message = self._heard
        self.client.on_subscribe = lambda *_: joined.set()
        self.client.connect(broker.host, broker.port)
        self.client.subscribe([(topic, 1) for topic in topics])
        self.client.loop_start()
        assert joined.wait(10)

    def _heard(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._more:
            self.messages.append((message.topic, bytes(message.payload)))
            self._more.notify_all()

    def until(self, many: int) -> list[tuple[str, bytes]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.messages) >= many, 60), len(self.messages)
        self.client.disconnect()
        self.client.loop_stop()
        return self.messages


def test_several_machines_speak_on_several_faces_and_the_truth_is_told(broker: Broker, tmp_path: Path) -> None:
    url = f"mqtt://{broker.host}:{broker.port}"
    ear = Ear(broker, "lab/+/telemetry", "lab/+/truth", "lab/+/vibration", "spBv1.0/cli/#")
    (tmp_path / "faults.yaml").write_text("faults: [{asset: ear-2, fault: tool_wear, from: 2s, until: 4s}]")
    words = f"mill=ear-1 mill=ear-2 --mqtt {url} --sparkplug {url} --sparkplug-node cli/node --vibration --truth-stream"
    truth = tmp_path / "truth.csv"
    said = simulate(
        *words.split(),
        *("--opcua", f"opc.tcp://127.0.0.1:{free_port()}", "--scenario", str(tmp_path / "faults.yaml")),
        *("--truth", str(truth), "--seconds", "5"),
    )
    heard = ear.until(2 * 5 * 2)
    topics = {topic for topic, _ in heard}
    assert {f"lab/ear-{n}/{kind}" for n in (1, 2) for kind in ("telemetry", "truth", "vibration")} <= topics
    assert {Identity(group="cli", node="node").topic("DBIRTH", f"ear-{n}") for n in (1, 2)} <= topics
    told = [json.loads(payload)["fault"] for topic, payload in heard if topic == "lab/ear-2/truth"]
    assert set(told) == {"none", "tool_wear"}
    with truth.open() as file:
        (fault,) = csv.DictReader(file)
    length = datetime.fromisoformat(fault["until"]) - datetime.fromisoformat(fault["from"])
    assert (fault["asset"], length) == ("ear-2", timedelta(seconds=2))
    for face in ("MQTT", "vibration", "Sparkplug", "OPC UA"):
        assert f"{face}: " in said


def test_a_recording_is_played_again_at_its_own_times(broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text(
        "when,kW\n" + "".join(f"{(SINCE + timedelta(seconds=n)).isoformat()},{n * 0.5}\n" for n in range(10))
    )
    ear = Ear(broker, "lab/tape-1/telemetry")
    url = f"mqtt://{broker.host}:{broker.port}"
    words = f"--replay {file} --time-column when --column kW=power --asset tape-1 --own-times --mqtt {url}"
    simulate(*words.split())
    played = [json.loads(payload) for _, payload in ear.until(10)]
    assert [one["power"] for one in played] == [n * 0.5 for n in range(10)]
    assert played[0]["time"] == "2026-11-21T12:00:00.000000Z"
