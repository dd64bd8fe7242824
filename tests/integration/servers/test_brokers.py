"""What the brokers of the suite can and cannot do, since the MQTT connector's promise stands on it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.servers.broker import Broker

WINDOW = 10
V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


class Subscriber:
    """A client with a persistent session that acknowledges only what it is told to."""

    def __init__(self, broker: Broker, client_id: str, *, version: MQTTProtocolVersion, window: int = 1000) -> None:
        self.received: list[MQTTMessage] = []
        self.acknowledged = 0
        self.session_present = False
        self._answered = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            clean_session=False if version == V311 else None,
            manual_ack=True,
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _data, message: self.received.append(message)
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600
            properties.ReceiveMaximum = window
            self._client.connect(broker.host, broker.port, clean_start=False, properties=properties)
        else:
            self._client.connect(broker.host, broker.port_311)
        self._client.loop_start()
        assert self._answered.wait(5)

    def _on_connect(self, _client: object, _data: object, flags: ConnectFlags, *_: object) -> None:
        self.session_present = flags.session_present
        self._answered.set()

    def subscribe(self, topic: str) -> None:
        done = threading.Event()
        self._client.on_subscribe = lambda *_: done.set()
        self._client.subscribe(topic, qos=1)
        assert done.wait(5)

    def acknowledge(self) -> None:
        for message in self.received[self.acknowledged :]:
            self._client.ack(message.mid, message.qos)
            self.acknowledged += 1

    def numbers(self) -> list[int]:
        return [int(message.payload) for message in self.received]

    def cut(self) -> None:
        """End the connection without a word."""
        self._client.loop_stop()
        socket = self._client.socket()
        if socket is not None:
            socket.close()


def publish(broker: Broker, topic: str, numbers: range) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"publisher-{uuid.uuid4().hex}", protocol=V5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for sent in [client.publish(topic, str(number), qos=1) for number in numbers]:
        sent.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def subscriber(
    broker: Broker, client_id: str, *, version: MQTTProtocolVersion = V5, window: int = 1000
) -> Iterator[Subscriber]:
    client = Subscriber(broker, client_id, version=version, window=window)
    try:
        yield client
    finally:
        client.cut()


@pytest.fixture
def topic() -> str:
    return f"shop-{uuid.uuid4().hex}"


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_what_was_not_acknowledged_comes_again_in_order(
    broker: Broker, topic: str, version: MQTTProtocolVersion
) -> None:
    with subscriber(broker, topic, version=version) as client:
        assert not client.session_present
        client.subscribe(topic)
        publish(broker, topic, range(50))
        eventually(lambda: len(client.received) == 50)
    with subscriber(broker, topic, version=version) as client:
        assert client.session_present
        eventually(lambda: len(client.received) == 50)
        assert client.numbers() == list(range(50))
        client.acknowledge()
        publish(broker, topic, range(50, 51))
        eventually(lambda: client.numbers()[50:] == [50])


def test_five_thousand_messages_wait_for_a_subscriber_that_is_away(broker: Broker, topic: str) -> None:
    with subscriber(broker, topic) as client:
        client.subscribe(topic)
    publish(broker, topic, range(5000))
    with subscriber(broker, topic) as client:

        def all_here() -> bool:
            client.acknowledge()
            return len(client.received) == 5000

        eventually(all_here)
        assert client.numbers() == list(range(5000))


def test_receive_maximum_is_honoured_where_the_broker_says_so(broker: Broker, topic: str) -> None:
    with subscriber(broker, topic, window=WINDOW) as client:
        client.subscribe(topic)
        publish(broker, topic, range(50))
        eventually(lambda: len(client.received) >= WINDOW)
        time.sleep(0.3)
        assert (len(client.received) == WINDOW) is broker.honours_receive_maximum


def test_a_restart_keeps_the_session_where_the_broker_says_so(private_broker: Broker, topic: str) -> None:
    with subscriber(private_broker, topic) as client:
        client.subscribe(topic)
        publish(private_broker, topic, range(5))
        eventually(lambda: len(client.received) == 5)
    private_broker.stop()
    with pytest.raises(ConnectionRefusedError):
        publish(private_broker, topic, range(1))
    private_broker.start()
    with subscriber(private_broker, topic) as client:
        assert client.session_present is private_broker.keeps_sessions_over_restart
        expected = 5 if private_broker.keeps_sessions_over_restart else 0
        eventually(lambda: len(client.received) == expected)
