"""Following data over real HTTP: a served lab, what a gateway writes into it, and whoever listens."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import psycopg
import uvicorn
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fieldlab.readings.instant import Instant
from fieldlab.storage.batch import Batch, plan
from fieldlab.storage.rows import Rows
from fieldlab.storage.write import Writer
from tests.integration.api.lab import Floor, Row
from tests.servers.port import listening

PATIENCE = 60.0
_numbers = count(1)


@dataclass
class Listener:
    """One open answer, and the events that came so far."""

    lines: AsyncIterator[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    async def next(self) -> dict[str, Any]:
        """Wait for the next event, signs of life left out."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self.lines:
                name, _, value = line.partition(": ")
                if line and name in {"event", "id"}:
                    event[name] = value
                elif name == "data":
                    event["data"] = json.loads(value)
                elif not line and "event" in event:
                    self.events.append(event)
                    return event
                elif not line:
                    event = {}
        raise EOFError("the answer has ended")

    async def until(self, kind: str) -> dict[str, Any]:
        """Wait for the next event of a kind."""
        while (event := await self.next())["event"] != kind:
            pass
        return event

    async def rows(self, number: int) -> list[list[Any]]:
        """Wait until so many more samples came."""
        found: list[list[Any]] = []
        while len(found) < number:
            found += (await self.until("samples"))["data"]["rows"]
        return found

    @property
    def position(self) -> str:
        """The id of the last event that had one."""
        return str(next(event["id"] for event in reversed(self.events) if "id" in event))

    def owner(self, number: int) -> str:
        """Whose a segment is, as it was last told."""
        told: dict[int, str] = {}
        for event in self.events:
            data = event["data"]
            for one in data.get("segments", [data] if event["event"] == "segment" else []):
                told[one["segment"]] = one["owner"]
        return told[number]


class Wire(StrEnum):
    """Over what events come."""

    EVENT_STREAM = "server-sent events"
    WEBSOCKET = "websocket"


@dataclass(kw_only=True)
class SocketListener(Listener):
    """One open WebSocket, and the events that came so far."""

    socket: ClientConnection

    async def next(self) -> dict[str, Any]:
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    message = json.loads(await self.socket.recv(decode=True))
            except ConnectionClosed:
                raise EOFError("the answer has ended") from None
            assert message.keys() == {"event", "id", "data"}
            event = {name: value for name, value in message.items() if value is not None}
            if event["event"] != "alive":
                self.events.append(event)
                return event


async def _none() -> AsyncIterator[str]:
    lines: list[str] = []
    for line in lines:
        yield line


@dataclass
class Served:
    """A lab that answers over HTTP."""

    lab: Floor
    url: str
    server: uvicorn.Server
    client: httpx.AsyncClient
    wire: Wire = Wire.EVENT_STREAM

    def connect(self, path: str = "/v1/live/ws", token: str | None = None, **query: object) -> connect:
        """Give a WebSocket that is to be opened."""
        url = httpx.URL(self.url.replace("http", "ws", 1) + path, params=httpx.QueryParams(query))  # type: ignore[arg-type]
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return connect(str(url), additional_headers=headers, open_timeout=PATIENCE, proxy=None)

    @asynccontextmanager
    async def follow(
        self, token: str, *streams: str, position: str | None = None, **query: str
    ) -> AsyncIterator[SocketListener]:
        """Follow over WebSocket."""
        if position is not None:
            query["last_event_id"] = position
        async with self.connect(token=token, stream=list(streams), **query) as socket:
            listener = SocketListener(lines=_none(), socket=socket)
            assert (await listener.next())["event"] == "segments"
            yield listener

    @asynccontextmanager
    async def listen(
        self, token: str, *streams: str, position: str | None = None, **query: str
    ) -> AsyncIterator[Listener]:
        """Follow over the wire of this test."""
        if self.wire is Wire.WEBSOCKET:
            async with self.follow(token, *streams, position=position, **query) as following:
                yield following
            return
        headers = {"Authorization": f"Bearer {token}"}
        if position is not None:
            headers["Last-Event-ID"] = position
        params = {"stream": list(streams), **query}
        async with self.client.stream("GET", "/v1/live", params=params, headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                raise AssertionError((answer.status_code, await answer.aread()))
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            listener = Listener(lines=answer.aiter_lines())
            first = await listener.next()
            assert first["event"] == "segments"
            yield listener


@asynccontextmanager
async def served(
    lab: Floor, wire: Wire = Wire.EVENT_STREAM, *, through: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncIterator[Served]:
    """Answer on a port of one's own, in this event loop; `through` may put something between."""
    listener = listening()
    config = uvicorn.Config(
        through(lab.app), lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=5, ws="wsproto"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, limits=limits) as client:
        try:
            yield Served(lab=lab, url=url, server=server, client=client, wire=wire)
        finally:
            lab.app.state.desk.hub.stop()
            server.should_exit = True
            await running


def stream_key(lab: Floor, reference: str) -> int:
    asset, name = reference.split(".")
    with psycopg.connect(lab.database.admin) as connection:
        found = connection.execute(
            "SELECT s.id FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id"
            " WHERE a.slug = %s AND s.name = %s",
            [asset, name],
        ).fetchone()
    assert found is not None
    return int(found[0])


def rows_of(stream: int, rows: Iterable[Row]) -> Rows:
    given = list(rows)
    size = len(given)
    return Rows(
        streams=np.full(size, stream, np.int32),
        statuses=np.array([row.status for row in given], np.int16),
        origins=np.array([row.origin for row in given], np.int16),
        times=np.array([int(row.time) for row in given], np.int64),
        values=np.array([math.nan if row.value is None else row.value for row in given]),
        numeric=np.array([row.value is not None for row in given], np.bool_),
        texts={at: row.text for at, row in enumerate(given) if row.text is not None},
        places=np.zeros(size, np.int32),
        addresses=((1, "a"),),
    )


async def arrive(lab: Floor, reference: str, rows: Iterable[Row]) -> None:
    """Write samples as the gateway does, in a batch of their own."""
    number = next(_numbers)
    batch = Batch(first=number, last=number, rows=rows_of(stream_key(lab, reference), rows), received_at=Instant.now())

    def write() -> None:
        with Writer(lab.database.gateway, spool=f"live {uuid4()}") as writer:
            writer.write(plan(batch))

    await asyncio.to_thread(write)
