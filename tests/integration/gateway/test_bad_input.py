"""Whatever a device may send, over a real wire into the table: it finds a fate and a reason, and harms no other."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from asyncua import ua

from fieldlab.readings.instant import SECOND, Instant
from gateway.process import run
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.test_mqtt import publish
from tests.integration.gateway.wire import accounts, declare, rejected, until
from tests.servers.broker import Broker, BrokerName
from tests.servers.database import Database

NOW = Instant(Instant.now() // SECOND * SECOND - 600 * SECOND)


@dataclass
class Sent:
    """What is sent: good numbers, counted up second by second, and between them what a broken device sends."""

    good: list[float] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    def number(self) -> None:
        at = len(self.good)
        self.good.append(float(at))
        self.messages.append(message(at, number=float(at)))

    def bad(self, payload: bytes) -> None:
        self.messages.append(payload)
        self.number()


def message(at: float, **values: object) -> bytes:
    return json.dumps({"time": str(Instant(NOW + int(at * SECOND))), **values}).encode()


@asynccontextmanager
async def whole_gateway(database: Database, directory: Path, source: str, **options: object) -> AsyncIterator[str]:
    """Run a gateway with the connectors that it is made of; gives its URL when the source is connected."""
    with psycopg.connect(database.admin) as connection:
        wire = source.partition(":")[0].replace("opc.tcp", "opcua")
        connection.execute(
            "UPDATE fieldlab.source SET wire = %s, url = %s, options = %s", [wire, source, json.dumps(options)]
        )
    stop, urls = asyncio.Event(), list[str]()
    task = asyncio.create_task(
        run(database_url=database.gateway, directory=directory, stop=stop, port=0, ready=urls.append)
    )
    try:
        await until(lambda: bool(urls) or task.done(), within=60)
        await health_is(urls[0], lambda health: health["sources"]["mqtt"]["state"] == "connected")
        yield urls[0]
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def health_is(url: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the gateway's health is as it should be, and give it."""
    health: dict[str, Any] = {}

    async def asked() -> bool:
        async with httpx.AsyncClient() as client:
            health.update((await client.get(f"{url}/healthz")).json())
        return true(health)

    for _ in range(1_200):
        if await asked():
            return health
        await asyncio.sleep(0.05)
    raise AssertionError(health)


def address_streams(database: Database, addresses: dict[str, str]) -> None:
    with psycopg.connect(database.admin) as connection:
        for old, new in addresses.items():
            connection.execute("UPDATE fieldlab.binding SET address = %s WHERE address = %s", [new, old])


def numbers(database: Database, stream: int) -> list[tuple[int, float | None, int]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute(
            "SELECT (extract(epoch FROM time) * 1000000)::bigint, value, status FROM fieldlab.measurement"
            " WHERE stream_id = %s ORDER BY time",
            [stream],
        ).fetchall()


async def test_every_message_that_a_broken_device_may_send_has_its_fate_and_its_neighbours_are_stored(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    streams, topic = declare(database), f"bad/{uuid4().hex[:8]}"
    address_streams(database, {name: f"{topic}#{name}" for name in streams})
    huge = b"x" * (10_000_000 if broker.name is BrokerName.MOSQUITTO else 200_000)
    sent = Sent()
    sent.number()
    for whole in (
        *(b'{"number": NaN}', b'{"number": Infinity}', b'{"number": -Infinity}', b'{"number": 1e999}'),
        *(b"", b"\xff\xfe\x00", b'{"number": "\xff"}', b"{", huge),
        *(b'{"time": "10000-01-01T00:00:00Z", "number": 1}', b'{"time": "2026-11-22T00:00:00", "number": 1}'),
    ):
        sent.bad(whole)
    sent.bad(b'{"time": "1970-01-01T00:00:00Z", "number": 1}')
    sent.bad(b'{"time": "2106-02-07T06:28:16Z", "number": 1}')
    sent.bad(b'{"number": ""}')
    sent.bad(message(100, number=1e308))
    sent.bad(message(101, number=2**63))
    sent.bad(message(102, text=""))
    sent.bad(message(99, number=99.0))  # after 101: its clock goes back
    sent.bad(message(100, number=-1.0))  # once more at 100, with another value
    async with whole_gateway(
        database, tmp_path, f"mqtt://{broker.host}:{broker.port}", topics=[topic], client_id=f"bad-{uuid4().hex[:8]}"
    ) as url:
        await asyncio.to_thread(publish, broker, topic, sent.messages)
        health = await health_is(url, lambda health: health["stored"] >= len(sent.good) + 4 and not health["waiting"])
    kept = [(at, value) for at, value, _ in numbers(database, streams["number"])]
    assert kept == [
        *((NOW + at * SECOND, value) for at, value in enumerate(sent.good)),
        *((NOW + 99 * SECOND, 99.0), (NOW + 100 * SECOND, 1e308), (NOW + 101 * SECOND, 2.0**63)),
    ]
    found = rejected(database)
    assert sorted(reason for reason, *_ in found) == sorted(
        [*["malformed"] * 9, *["invalid_time"] * 2, "too_late", "too_far_in_future", "wrong_type", "conflict"]
    ), [(reason, detail) for reason, detail, *_ in found]
    assert [detail for _, detail, *_ in found if len(detail) < 20] == [], "each says what was wrong"
    assert health["rejected"] == 15
    assert sum(row[1] for row in accounts(database)) == len(sent.good) + 4 + 15


async def test_every_value_that_a_server_may_give_has_its_fate_and_its_neighbours_are_stored(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    machine = Machine({"number": ua.Variant(0.0), "text": ua.Variant(""), "big": ua.Variant(0, ua.VariantType.UInt64)})
    await machine.start()
    nodes = {"number": "number", "text": "text", "boolean": "big"}
    address_streams(database, {name: machine.address(node) for name, node in nodes.items()})
    with psycopg.connect(database.admin) as connection:
        connection.execute("UPDATE fieldlab.stream SET kind = 'number' WHERE name = 'boolean'")

    async def write(at: float, value: object, kind: ua.VariantType = ua.VariantType.Double) -> None:
        name = {ua.VariantType.String: "text", ua.VariantType.UInt64: "big"}.get(kind, "number")
        await machine.write(name, ua.Variant(value, kind), at=Instant(int(NOW + at * SECOND)))

    try:
        await write(0, 0.0)
        await write(0, "EXECUTE", ua.VariantType.String)
        await write(0, 0, ua.VariantType.UInt64)
        async with whole_gateway(
            database, tmp_path, machine.url, security="none", publishing_interval=50, queue_size=1000
        ) as url:
            await health_is(url, lambda health: health["stored"] == 3)
            for at, value in enumerate((float("nan"), float("inf"), float("-inf"), 1e308), start=1):
                await write(at, value)
            await write(5, 2**63, ua.VariantType.UInt64)
            await write(7, "", ua.VariantType.String)
            await write(8, "x" * 10_000_000, ua.VariantType.String)
            await machine.write("number", ua.Variant(1.0), at=Instant(0))
            await machine.write("number", ua.Variant(1.0), at=Instant.parse("2106-02-07T06:28:16Z"))
            await machine.write("number", ua.Variant(1.0), at=Instant.parse("9998-12-31T23:59:59Z"))
            await write(21, 21.0)
            await write(20, 20.0)  # its clock goes back
            await write(21, -1.0)  # another value at the same time
            await write(22, 22.0)
            health = await health_is(url, lambda health: health["stored"] + health["rejected"] >= 17)
    finally:
        await machine.stop()
    assert health["waiting"] == 0
    kept = {(at - NOW) / SECOND: (value, status != 0) for at, value, status in numbers(database, streams["number"])}
    assert repr({at: kept[at] for at in range(1, 4)}) == repr(
        {1: (float("nan"), True), 2: (float("inf"), True), 3: (float("-inf"), True)}
    )
    finite = {at: value for at, (value, bad) in kept.items() if not bad}
    assert finite == {0: 0.0, 4: 1e308, 20: 20.0, 21: 21.0, 22: 22.0}
    assert [value for _, value, _ in numbers(database, streams["boolean"])] == [0.0, 2.0**63]
    assert len(numbers(database, streams["text"])) == 3
    assert {reason for reason, *_ in rejected(database)} == {"conflict", "too_far_in_future", "too_late"}
    assert health["rejected"] == 4
