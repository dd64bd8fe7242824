"""The broker of compose.yaml lets in whom it knows, and each to its own: a device cannot speak for another."""

import threading
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from tests.servers.stack_broker import stack_broker
from tests.servers.unavailable import Unavailable

PASSWORDS = {"gateway": "G4te'way", "mill-1": "m1ll"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    environment = {"GATEWAY_PASSWORD": PASSWORDS["gateway"], "MILL_PASSWORD": PASSWORDS["mill-1"]}
    running = stack_broker(environment)
    try:
        with running as port:
            yield port
    except Unavailable as reason:
        pytest.skip(str(reason))


class Guest:
    """A client that tells how it was received and what came for it."""

    def __init__(self, port: int, user: str | None, password: str | None, *, client_id: str = "") -> None:
        self.reason: ReasonCode | None = None
        self.received: list[str] = []
        self._answered = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _data, message: self.received.append(message.topic)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._answered.wait(5)

    def _on_connect(self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, *_: object) -> None:
        self.reason = reason
        self._answered.set()

    def subscribe(self, topic: str) -> str:
        done, codes = threading.Event(), list[ReasonCode]()

        def answered(_client: Client, _data: object, _id: int, given: list[ReasonCode], *_: object) -> None:
            codes.extend(given)
            done.set()

        self._client.on_subscribe = answered
        self._client.subscribe(topic, qos=1)
        assert done.wait(5)
        return str(codes[0])

    def publish(self, topic: str) -> str:
        done, codes = threading.Event(), list[ReasonCode]()

        def answered(_client: Client, _data: object, _id: int, given: ReasonCode, *_: object) -> None:
            codes.append(given)
            done.set()

        self._client.on_publish = answered
        self._client.publish(topic, b"1", qos=1)
        assert done.wait(5)
        return str(codes[0])

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.parametrize(("user", "password"), [(None, None), ("gateway", "wrong"), ("stranger", "m1ll")])
def test_a_stranger_is_refused(port: int, user: str | None, password: str | None) -> None:
    guest = Guest(port, user, password)
    assert guest.reason is not None
    assert guest.reason.is_failure
    guest.leave()


def test_the_gateway_hears_a_device_that_speaks_for_itself(port: int) -> None:
    gateway, mill = (Guest(port, user, password) for user, password in PASSWORDS.items())
    assert gateway.subscribe("lab/+/telemetry") == "Granted QoS 1"
    assert mill.publish("lab/mill-1/telemetry") == "Success"
    assert mill.publish("lab/mill-2/telemetry") == "Not authorized"
    assert mill.publish("lab/mill-1/telemetry") == "Success"
    for guest in (mill, gateway):
        guest.leave()
    assert gateway.received == ["lab/mill-1/telemetry", "lab/mill-1/telemetry"]


def test_a_device_does_not_hear_another(port: int) -> None:
    mill, gateway = Guest(port, "mill-1", PASSWORDS["mill-1"]), Guest(port, "gateway", PASSWORDS["gateway"])
    mill.subscribe("lab/#")
    mill.publish("lab/mill-1/telemetry")
    gateway.subscribe("lab/#")
    mill.leave()
    gateway.leave()
    assert mill.received == []


def test_a_device_does_not_take_the_gateways_session_by_its_client_id(port: int) -> None:
    gateway = Guest(port, "gateway", PASSWORDS["gateway"], client_id="fieldlab-g-shop-floor")
    gateway.subscribe("lab/#")
    for client_id in ("gateway", "fieldlab-g-shop-floor"):
        thief = Guest(port, "mill-1", PASSWORDS["mill-1"], client_id=client_id)
        assert thief.publish("lab/mill-1/telemetry") == "Success"
        thief.leave()
        assert thief.received == []
    assert gateway.subscribe("lab/+/telemetry") == "Granted QoS 1", "it is still there"
    gateway.leave()
