"""Two machines that number their samples: one publishes over MQTT, one serves OPC UA."""

import asyncio
import json
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

MQTT_STREAMS: Final = 40
OPCUA_STREAMS: Final = 5
NAMESPACE: Final = "urn:fieldlab:torture"
QUEUE: Final = 1_000
"""Values that the robot's server keeps for each node."""

POISON: Final = (
    b"this is not JSON",
    b"\xff\xfe\x00\x01",
    b"",
    b"[" * 100_000,
    b'{"time": "2026-11-22T00:00:00", "n0": 1}',
    b'{"time": "9999-12-31T23:59:59Z", "n0": 1}',
    b'{"time": "1970-01-01T00:00:00Z", "n0": 1}',
    b'{"n0": "12"}',
    b'{"n0": 1e999}',
    b'{"n0": 9223372036854775808, "time": 1e300}',
    b'{"n0": "' + b"x" * 200_000 + b'"}',
    b'{"unheard_of": 1}',
)
"""Messages that a broken device may send."""


def moment(microseconds: int) -> datetime:
    """Turn microseconds since the Unix epoch into what both wires send."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)


class Publisher(threading.Thread):
    """Publishes a message with the next number of each of its streams, again and again, with QoS 1."""

    def __init__(self, *, host: str, port: int, rate: float) -> None:
        super().__init__(daemon=True, name="publisher")
        self._address = (host, port)
        self._pause = 1 / rate
        self._done = threading.Event()
        self._poison: deque[bytes] = deque()
        self._sent = self._taken = 0
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="torture", protocol=MQTTProtocolVersion.MQTTv311, clean_session=False
        )
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._on_publish
        self.times: list[int] = []
        """The time of each number, in microseconds since the Unix epoch: a number is the index."""

    def poison(self, payload: bytes) -> None:
        """Publish something bad too."""
        self._poison.append(payload)

    def run(self) -> None:
        self._client.connect(*self._address)
        self._client.loop_start()
        while not self._done.is_set():
            number, now = len(self.times), time.time_ns() // 1000
            payload: dict[str, object] = {f"n{stream}": number for stream in range(MQTT_STREAMS)}
            payload["time"] = moment(now).isoformat().replace("+00:00", "Z")
            self.times.append(now)
            self._send(json.dumps(payload).encode())
            while self._poison:
                self._send(self._poison.popleft())
            time.sleep(self._pause)

    def _send(self, payload: bytes) -> None:
        self._sent += 1
        self._client.publish("torture/mqtt", payload, qos=1)

    def _on_publish(self, *_: object) -> None:
        self._taken += 1

    def finish(self, *, patience: float = 60.0) -> None:
        """Publish no more, and wait until the broker has everything."""
        self._done.set()
        self.join()
        deadline = time.monotonic() + patience
        while self._taken < self._sent:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not take {self._sent - self._taken} messages")
            time.sleep(0.01)
        self._client.disconnect()
        self._client.loop_stop()


class Robot:
    """Serves numbers over OPC UA, each with a source time of its own."""

    def __init__(self, *, port: int, rate: float) -> None:
        self.endpoint = f"opc.tcp://127.0.0.1:{port}"
        self._pause = 1 / rate
        self._server = Server()
        self._foreign = 0
        self._nodes: list[Node] = []
        self._task: asyncio.Task[None] | None = None
        self.times: list[int] = []

    async def start(self) -> None:
        """Serve; `foreign` namespaces come before the robot's own."""
        await self._server.init()
        self._server.set_endpoint(self.endpoint)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for number in range(self._foreign):
            await self._server.register_namespace(f"urn:foreign:{number}")
        index, nodes = await self._server.register_namespace(NAMESPACE), []
        for stream in range(OPCUA_STREAMS):
            node_id = ua.NodeId.from_string(f"ns={index};s=n{stream}")
            nodes.append(await self._server.nodes.objects.add_variable(node_id, f"n{stream}", -1.0))
        self._nodes = nodes
        await self._server.start()

    async def restart(self, *, foreign: int, after: float) -> None:
        """Stop the server, and start another one after some seconds, with so many namespaces before its own."""
        await self._server.stop()
        await asyncio.sleep(after)
        self._server, self._foreign = Server(), foreign
        await self.start()

    async def count_at_once(self, many: int) -> None:
        """Count on, so fast that the server sends nothing in between."""
        for _ in range(many):
            await self._count_on(time.time_ns() // 1000)

    def begin(self) -> None:
        """Count from now on."""
        self._task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while True:
            await self._count_on(time.time_ns() // 1000)
            await asyncio.sleep(self._pause)

    async def _count_on(self, now: int) -> None:
        number, now = len(self.times), max(now, self.times[-1] + 1 if self.times else 0)
        self.times.append(now)
        source_time = ua.DateTime.fromisoformat(moment(now).replace(tzinfo=None).isoformat())
        value = ua.DataValue(ua.Variant(float(number)), SourceTimestamp=source_time)
        for node in self._nodes:
            await node.write_value(value)

    async def finish(self) -> None:
        """Count no more, and go on serving."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        await self._server.stop()
