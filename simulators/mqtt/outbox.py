"""One connection to a broker that loses nothing: QoS 1, a bounded number in flight, connecting again for ever."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import uuid4

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.errors import EndpointError
from simulators.mqtt.broker import Broker, MqttVersion

_LOG = logging.getLogger(__name__)
_FIRST_RETRY, _LONGEST_RETRY = 1, 30
_REFUSED = 0x80
_RIGHTS = (0x86, 0x87)
WINDOW = 200
"""Messages that may be on their way without an acknowledgement."""


class Outbox:
    """Sends messages in order and counts their acknowledgements (PUBACK). Used as `async with`, from one event loop.

    While the broker is away `send` waits, and after a reconnection until what was on its way is acknowledged, so that
    messages keep their order (paho would send twice what it is given between connection and CONNACK). `refused` counts
    messages that the broker acknowledged with a failure (MQTT 5.0, 3.4.2.1): it got them and did not take them.
    """

    def __init__(self, broker: Broker, window: int = WINDOW) -> None:
        self.broker = broker
        self.refused = 0
        self._window = window
        self._open = 0
        self._lock = threading.Lock()
        self._untold = self._untold_refused = 0
        self._connected = self._clear = False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.broker.client_id or f"simulator-{uuid4().hex[:12]}",
            protocol=MQTTProtocolVersion(int(self.broker.version)),
            reconnect_on_failure=True,
        )
        if self.broker.version is MqttVersion.V311:
            client.max_queued_messages_set(0)
        if self.broker.user is not None:
            client.username_pw_set(self.broker.user, self.broker.password)
        if self.broker.ca_file is not None:
            client.tls_set_context(self._tls(str(self.broker.ca_file)))
        client.max_inflight_messages_set(self._window)
        client.reconnect_delay_set(_FIRST_RETRY, _LONGEST_RETRY)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # Nothing is subscribed and unacknowledged messages are kept here, so the broker need remember nothing.
        clean_start = True if self.broker.version is MqttVersion.V5 else MQTT_CLEAN_START_FIRST_ONLY
        client.connect_async(
            self.broker.host, self.broker.port, keepalive=self.broker.keep_alive, clean_start=clean_start
        )
        client.loop_start()
        self._client = client
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
        if self._open:
            _LOG.warning("%d messages to %s were not acknowledged before the end", self._open, self.broker)

    async def send(self, topic: str, payload: bytes, stop: asyncio.Event) -> bool:
        """Send one message with QoS 1; wait while there is no room. False: `stop` was set before there was room."""
        if self._client is None:
            raise EndpointError("the outbox is not open: use it with `async with`")
        while not self._clear or self._open >= self._window:
            if stop.is_set():
                return False
            await self._change(stop)
        self._open += 1
        self._client.publish(topic, payload, qos=1)
        return True

    async def flush(self, stop: asyncio.Event | None = None, patience: float | None = None) -> bool:
        """Wait until all is acknowledged. False: `stop` was set, or `patience` seconds passed, before that."""
        try:
            async with asyncio.timeout(patience):
                while self._open:
                    if stop is not None and stop.is_set():
                        return False
                    await self._change(stop)
        except TimeoutError:
            return False
        return True

    def break_connection(self) -> None:
        """Break the connection as a pulled cable would; the client connects again by itself."""
        sock = self._client.socket() if self._client is not None else None
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    async def _change(self, stop: asyncio.Event | None) -> None:
        """Wait for an acknowledgement; look at `stop` at least every 0.2 s."""
        self._changed.clear()
        try:
            async with asyncio.timeout(0.2 if stop is not None else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _tls(self, ca_file: str) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise EndpointError(f"ca_file={ca_file} cannot be read as PEM certificates: {error}") from error

    def _acknowledged(self) -> None:
        with self._lock:
            count, self._untold = self._untold, 0
            refused, self._untold_refused = self._untold_refused, 0
        self._open -= count
        self.refused += refused
        self._clear = self._clear or (self._connected and not self._open)
        self._changed.set()

    def _joined(self) -> None:
        self._connected, self._clear = True, not self._open
        self._changed.set()

    def _left(self) -> None:
        self._connected = self._clear = False

    def _call(self, function: Callable[[], None]) -> None:
        """Run a method on the event loop; the callbacks below run on paho's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _on_publish(self, _client: Client, _data: object, _mid: int, reason: ReasonCode, _props: Properties) -> None:
        refused = reason.value >= _REFUSED
        if refused:
            _LOG.warning("the broker at %s refused a message: %s", self.broker, reason)
        # One wake-up of the event loop takes all that came until then: each costs as much as sending a message.
        with self._lock:
            self._untold += 1
            self._untold_refused += int(refused)
            first = self._untold == 1
        if first:
            self._call(self._acknowledged)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            hint = "check user and password" if reason.value in _RIGHTS else "trying again"
            _LOG.warning("the broker at %s refuses the connection: %s; %s", self.broker, reason, hint)
        else:
            _LOG.info("connected to the broker at %s", self.broker)
            self._call(self._joined)

    def _on_connect_fail(self, _client: Client, _data: object) -> None:
        _LOG.warning("no broker at %s; trying again", self.broker)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        if reason.is_failure:
            _LOG.warning("the connection to the broker at %s broke: %s; trying again", self.broker, reason)
        self._call(self._left)


def _send_at_once(_client: Client, _data: object, sock: object) -> None:
    """Turn off Nagle's algorithm, which would hold small packets back while an acknowledgement is awaited."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
