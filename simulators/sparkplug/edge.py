"""An edge node's session: births, data and deaths in their order (Sparkplug 3.0, chapters 5 and 6)."""

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import uuid4

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.columns import Value
from simulators.errors import EndpointError
from simulators.mqtt.broker import Broker, MqttVersion
from simulators.sparkplug.device import Device, Report
from simulators.sparkplug.identity import Identity
from simulators.sparkplug.payload import (
    Metric,
    asks_for_rebirth,
    birth_death,
    payload,
    rebirth_control,
)
from simulators.wire import spoil

_LOG = logging.getLogger(__name__)
_FIRST_RETRY, _LONGEST_RETRY = 1, 30
_WINDOW = 100
_LINGER_S = 0.1
_NUMBERS = 256


class EdgeNode:
    """One edge node with its devices. Used as `async with`, from one event loop.

    It births when it is connected (and its primary host online, where it has one) and as soon as it knows values; again
    after every reconnection and whenever a host asks. `alive` tells whether data would be heard.
    """

    def __init__(self, broker: Broker, identity: Identity, devices: Sequence[Device]) -> None:
        self.births = 0
        self._broker = broker
        self._identity = identity
        self._devices = tuple(devices)
        self._time_us = 0
        self._seq = 0
        self._death_number = -1
        self._connected = self._host_online = False
        self._born = False
        self._host_since = -1
        self._unsent = 0
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None

    @property
    def alive(self) -> bool:
        """Tell whether the node is born and not dead."""
        return self._born

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id or f"simulator-{uuid4().hex[:12]}",
            protocol=MQTTProtocolVersion(int(self._broker.version)),
            clean_session=True if self._broker.version is MqttVersion.V311 else None,
        )
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.ca_file is not None:
            client.tls_set_context(ssl.create_default_context(cafile=str(self._broker.ca_file)))
        client.reconnect_delay_set(_FIRST_RETRY, _LONGEST_RETRY)
        client.on_pre_connect = self._on_pre_connect
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        if self._broker.version is MqttVersion.V5:
            client.connect_async(self._broker.host, self._broker.port, self._broker.keep_alive, clean_start=True)
        else:
            client.connect_async(self._broker.host, self._broker.port, self._broker.keep_alive)
        client.loop_start()
        self._client = client
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if self._connected:
            death = client.publish(self._identity.topic("NDEATH"), self._death(), qos=1)
            with suppress(RuntimeError, ValueError):
                await asyncio.to_thread(death.wait_for_publish, 2.0)
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)

    async def ready(self, stop: asyncio.Event) -> None:
        """Wait until data would be heard and what is on its way is on the wire, or `stop` is set."""
        while not stop.is_set() and (not self._may_speak or self._unsent >= _WINDOW):
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._changed.wait()

    def tell(self, time_us: int, values: Sequence[Sequence[Value]], *, historical: bool) -> None:
        """Publish what changed since the last tick (DDATA), or the births if there were none yet."""
        self._time_us = time_us
        told = [
            (device, device.report(time_us, of_device, historical=historical))
            for device, of_device in zip(self._devices, values, strict=True)
        ]
        if not self._born:
            self._birth()
            return
        for device, reports in told:
            self._tell(device, reports)

    def end(self) -> None:
        """Publish what the devices' wires still hold back."""
        for device in self._devices:
            if self._born:
                self._tell(device, device.rest())

    def _tell(self, device: Device, reports: Sequence[Report]) -> None:
        for one in reports:
            if one.lost:
                self._seq = (self._seq + 1) % _NUMBERS
            elif one.metrics:
                self._publish(self._identity.topic("DDATA", device.name), one.metrics, spoilt=one.spoilt)
            if one.breaks_connection:
                self._break_connection()
                self._left()
                return

    @property
    def _may_speak(self) -> bool:
        return self._connected and (self._host_online or self._identity.primary_host is None)

    def _birth(self) -> None:
        """Publish NBIRTH with sequence number 0 and a DBIRTH for each device, if anybody listens."""
        if not self._may_speak or not all(device.known for device in self._devices):
            return
        now, at = _now_ms(), self._time_us // 1000
        self._seq = 0
        self.births += 1
        self._publish(self._identity.topic("NBIRTH"), [birth_death(self._death_number, now), rebirth_control(now)])
        for device in self._devices:
            self._publish(self._identity.topic("DBIRTH", device.name), device.birth(at))
        self._born = True

    def _publish(self, topic: str, metrics: Sequence[Metric], *, spoilt: int | None = None) -> None:
        if self._client is None:
            raise EndpointError("the edge node is not open: use it with `async with`")
        self._unsent += 1
        data = payload(metrics, time_ms=_now_ms(), seq=self._seq)
        self._client.publish(topic, data if spoilt is None else spoil(data, spoilt), qos=0)
        self._seq = (self._seq + 1) % _NUMBERS

    def _death(self) -> bytes:
        return payload([birth_death(self._death_number, _now_ms())], time_ms=None, seq=None)

    def _joined(self) -> None:
        self._connected, self._born, self._unsent = True, False, 0
        self._birth()
        self._changed.set()

    def _left(self) -> None:
        self._connected = self._born = self._host_online = False
        self._changed.set()

    def _sent(self) -> None:
        self._unsent = max(self._unsent - 1, 0)
        self._changed.set()

    def _told_state(self, state: bytes) -> None:
        """Take the primary host's STATE; one that is older than the last is left alone (6.4.24)."""
        try:
            told = json.loads(state)
            online, since = bool(told["online"]), int(told["timestamp"])
        except (ValueError, KeyError, TypeError):
            return
        if since < self._host_since:
            return
        self._host_since = since
        if online and not self._host_online:
            self._host_online = True
            self._birth()
        elif not online and self._host_online:
            self._host_online = False
            self._die()
        self._changed.set()

    def _die(self) -> None:
        """Publish NDEATH and connect anew, as is due when the primary host goes offline (6.4.24)."""
        self._born = False
        if self._client is not None and self._loop is not None:
            self._client.publish(self._identity.topic("NDEATH"), self._death(), qos=0)
            self._loop.call_later(_LINGER_S, self._break_connection)

    def _break_connection(self) -> None:
        sock = self._client.socket() if self._client is not None else None
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _asked(self, command: bytes) -> None:
        if self._born and asks_for_rebirth(command):
            self._birth()

    def _call(self, function: str, *arguments: bytes) -> None:
        """Run a method on the event loop; the callbacks below run on paho's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(getattr(self, function), *arguments)

    def _on_pre_connect(self, client: Client, _data: object) -> None:
        self._death_number = (self._death_number + 1) % _NUMBERS
        client.will_set(self._identity.topic("NDEATH"), self._death(), qos=1, retain=False)

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            _LOG.warning("the broker at %s refuses the connection: %s", self._broker, reason)
            return
        topics = [(self._identity.topic("NCMD"), 1), (self._identity.topic("DCMD", "+"), 1)]
        if self._identity.state_topic is not None:
            topics.append((self._identity.state_topic, 1))
        client.subscribe(topics)
        self._call("_joined")

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            _LOG.warning("the connection to the broker at %s broke: %s; trying again", self._broker, reason)
        self._call("_left")

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == self._identity.state_topic:
            self._call("_told_state", bytes(message.payload))
        elif message.topic == self._identity.topic("NCMD"):
            self._call("_asked", bytes(message.payload))

    def _on_publish(self, _client: Client, _data: object, _mid: int, _reason: ReasonCode, _props: Properties) -> None:
        self._call("_sent")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _send_at_once(_client: Client, _data: object, sock: object) -> None:
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
