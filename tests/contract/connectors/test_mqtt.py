"""The contract of a connector, kept by MQTT on every broker and in both versions of the protocol."""

import asyncio
import json
from collections.abc import Sequence

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fieldlab.assets.source import Options, Source, Wire
from fieldlab.readings.gap import Cause
from tests.contract.connectors.contract import ConnectorContract
from tests.contract.connectors.plant import time_of
from tests.servers.broker import Broker


class MqttPlant:
    """A broker, and a machine that publishes one number a message."""

    begins_with_a_value = False
    address = "lab/mill-1/telemetry#current"

    def __init__(self, broker: Broker, protocol: str) -> None:
        self.broker = broker
        self.protocol = protocol
        self.cause = None if broker.keeps_sessions_over_restart else Cause.SESSION_LOST

    def source(self, **options: object) -> Source:
        port = self.broker.port if self.protocol == "5" else self.broker.port_311
        every = {"topics": ["lab/+/telemetry"], "protocol": self.protocol} | options
        return Source(id=1, slug="plant", wire=Wire.MQTT, url=f"mqtt://{self.broker.host}:{port}", options=every)

    def held_back(self, most: int) -> Options:
        return {"receive_maximum": most}

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self.broker.stop)

    async def send(self, values: Sequence[float]) -> None:
        payloads = [json.dumps({"time": str(time_of(value)), "current": value}) for value in values]
        await asyncio.to_thread(publish, self.broker, "lab/mill-1/telemetry", payloads)

    def again(self, values: Sequence[float]) -> list[float]:
        return list(values)


def publish(broker: Broker, topic: str, payloads: Sequence[str | bytes], *, retain: bool = False, qos: int = 1) -> None:
    """Publish messages, and return when the broker has them."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        for sent in [client.publish(topic, payload, qos=qos, retain=retain) for payload in payloads]:
            sent.wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()


class TestMqtt(ConnectorContract):
    @pytest.fixture(params=["5", "3.1.1"])
    def plant(self, private_broker: Broker, request: pytest.FixtureRequest) -> MqttPlant:
        return MqttPlant(private_broker, request.param)
