"""A crowd of readers on raw connections: what each got, counted without taking the same event apart twice."""

import asyncio
import base64
import os
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

import orjson

_SPARE: Final = 512
"""Open files beside the connections of a crowd."""


def room_for(connections: int) -> None:
    """Let this process, and those that it starts, have so many connections; raises ValueError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE
    if resource.RLIM_INFINITY not in {soft, hard} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))


class Over(StrEnum):
    """The wire of a reader."""

    EVENT_STREAM = "server-sent events"
    WEBSOCKET = "websocket"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An event as it was read: its name, its document, and the times of its samples as the API writes them.

    `mark` is the sum of a number for each sample: what two readers got is the same where count and sum are.
    """

    event: str
    data: dict[str, Any]
    times: tuple[str, ...]
    mark: int


class Crowd:
    """Readers of one service. `arrived` is called for each event that each gets."""

    def __init__(self, url: str, arrived: Callable[["OneReader", Told], None] | None = None) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.host, self.port = host, int(port)
        self.arrived = arrived
        self.readers: list[OneReader] = []
        self.samples: set[tuple[str, str]] = set()
        self._known: dict[bytes, Told] = {}

    async def gather(self, asked: Iterable[tuple[str, str, Over]], *, at_once: int = 50) -> None:
        """Add a reader for each token, query and wire, some at once; each has its first event then."""
        left = list(asked)
        while left:
            some, left = left[:at_once], left[at_once:]
            await asyncio.gather(*(self._add(*one) for one in some))

    async def _add(self, token: str, query: str, over: Over) -> None:
        loop = asyncio.get_running_loop()
        reader = OneReader(self, token, query, over, number=len(self.readers))
        self.readers.append(reader)
        await loop.create_connection(lambda: reader, self.host, self.port)
        await reader.ready

    @property
    def behind(self) -> int:
        """Give how many readers have not got each sample once that anybody got."""
        mark = sum(map(hash, self.samples))
        return sum((reader.got, reader.mark) != (len(self.samples), mark) for reader in self.readers)

    def close(self) -> None:
        """Let all readers go."""
        for reader in self.readers:
            reader.close()

    def read(self, written: bytes) -> Told:
        """Take an event apart, once for all who get the same bytes."""
        known = self._known.get(written)
        if known is None:
            said = orjson.loads(written)
            samples = [(row[0], row[1]) for row in said["data"].get("rows", ())]
            self.samples.update(samples)
            known = self._known[written] = Told(
                event=said["event"],
                data=said["data"],
                times=tuple(time for time, _ in samples),
                mark=sum(map(hash, samples)),
            )
        return known


@dataclass(eq=False)
class OneReader(asyncio.Protocol):
    """One connection, over which events come as server-sent events or as messages; `ended` is why they end."""

    crowd: Crowd
    token: str
    query: str
    over: Over
    number: int
    got: int = 0
    mark: int = 0
    ended: str | None = None
    ready: "asyncio.Future[None]" = field(init=False)

    def __post_init__(self) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._held = bytearray()
        self._event = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        path, more = f"/v1/live?{self.query}", ""
        if self.over is Over.WEBSOCKET:
            key = base64.b64encode(os.urandom(16)).decode()
            path = f"/v1/live/ws?{self.query}"
            more = (
                "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            )
        asked = f"GET {path} HTTP/1.1\r\nHost: crowd\r\nAuthorization: Bearer {self.token}\r\n{more}\r\n"
        self._transport.write(asked.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or EOFError("The connection was closed before the first event."))

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._open:
            head, _, rest = bytes(self._held).partition(b"\r\n\r\n")
            if len(head) == len(self._held):
                return
            if head.split(b" ", 2)[1] not in {b"200", b"101"}:
                self.ready.set_exception(AssertionError(self._held.decode(errors="replace")))
                self.close()
                return
            self._open, self._held = True, bytearray(rest)
        if self.over is Over.WEBSOCKET:
            self._messages()
        else:
            self._lines()

    def _take(self, written: bytes) -> None:
        told = self.crowd.read(written)
        self.got += len(told.times)
        self.mark += told.mark
        if told.event == "end":
            self.ended = str(told.data["reason"])
        if self.crowd.arrived is not None:
            self.crowd.arrived(self, told)
        if not self.ready.done():
            self.ready.set_result(None)

    def _lines(self) -> None:
        """Take whole lines; those of chunks and positions say nothing here."""
        until = self._held.rfind(b"\n") + 1
        lines = bytes(self._held[:until]).split(b"\n")
        del self._held[:until]
        for line in lines:
            if line.startswith(b"event: "):
                self._event = line[7:]
            elif line.startswith(b"data: "):
                self._take(b'{"event":"' + self._event + b'","data":' + line[6:] + b"}")

    def _messages(self) -> None:
        """Take whole frames (RFC 6455, 5.2); a ping gets its pong."""
        held, at = memoryview(bytes(self._held)), 0
        while at + 2 <= len(held):
            size, begin = held[at + 1], at + 2
            if size > 125:
                wide = 2 if size == 126 else 8
                size, begin = int.from_bytes(held[begin : begin + wide], "big"), begin + wide
            if begin + size > len(held):
                break
            code, body = held[at] & 0x0F, bytes(held[begin : begin + size])
            at = begin + size
            if code == 0x9:
                self._transport.write(bytes((0x8A, 0x80 | len(body))) + b"\0\0\0\0" + body)
            elif code == 0x1 and b'"event":"alive"' not in body[:20]:
                self._take(body)
        del self._held[:at]
