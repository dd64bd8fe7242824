"""Real brokers on ports of their own."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import iotcore
import pytest

from tests.servers.port import free_port

CONFIGURATION = """
id = 0

[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{v5}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true

[v4.1]
name = "v4-1"
listen = "127.0.0.1:{v4}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"""


class Cable:
    """A wire from a port of its own to the broker's port, which can be cut: every connection on it breaks at once."""

    def __init__(self, to: int) -> None:
        self.port, self.cuts = 0, 0
        self._to = to
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._abort()

    def cut(self) -> None:
        self.cuts += 1
        self._abort()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


class TwoVersions:
    """An embedded broker that speaks MQTT 5 on one port and 3.1.1 on another, and can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.v5, self.v4 = free_port(), free_port()
        file = folder / "broker.toml"
        file.write_text(CONFIGURATION.format(v5=self.v5, v4=self.v4))
        self._file = str(file)
        self._broker: iotcore.Broker | None = None

    def start(self) -> None:
        self._broker = iotcore.Broker(config_path=self._file).start()

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TwoVersions]:
    broker = TwoVersions(tmp_path)
    broker.start()
    yield broker
    broker.stop()
