"""A device that nobody knew is plugged in over the network, from its first message to its stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.publish as mqtt
import pytest

from gateway.process import run
from tests.integration.api.lab import Floor, floor
from tests.servers.broker import Broker
from tests.servers.database import Database
from tests.servers.mosquitto import mosquitto
from tests.servers.unavailable import Unavailable

PATIENCE = 60.0


@asynccontextmanager
async def gateway(database: Database, directory: Path) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        run(database_url=database.gateway, directory=directory, stop=stop, port=0, ready=lambda _: ready.set())
    )
    try:
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE)


async def publish(broker: Broker, topic: str, payload: str) -> None:
    await asyncio.to_thread(mqtt.single, topic, payload, qos=1, hostname=broker.host, port=broker.port_311)


async def eventually(ask: Any, right: Any) -> Any:  # noqa: ANN401 - an answer of the service
    """Ask until the answer is right."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = (await ask()).json()
            if right(answer):
                return answer
            await asyncio.sleep(0.1)


async def arrives(lab: Floor, broker: Broker, topic: str) -> None:
    """Publish until something of it is discovered: the gateway may not be subscribed yet."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await publish(broker, topic, '{"time": "2026-11-21T08:00:00Z", "power": 1.0, "door": true}')
            found = (await lab["lab"].get("/v1/discoveries")).json()["items"]
            if {item["address"] for item in found} >= {f"{topic}#power", f"{topic}#door"}:
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("engine_server", ["plain"], indirect=True)
async def test_an_unknown_device_is_discovered_bound_and_its_first_samples_are_stored(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    async with floor(database) as lab, gateway(database, tmp_path):
        operator, topic = lab["lab"], f"{tmp_path.name}/mill-1/telemetry"
        source = {
            "slug": "floor",
            "wire": "mqtt",
            "url": f"mqtt://{broker.host}:{broker.port}",
            "options": {"topics": [f"{tmp_path.name}/#"]},
        }
        assert (await operator.post("/v1/sources", json=source)).status_code == 201
        await arrives(lab, broker, topic)
        await publish(broker, topic, '{"time": "2026-11-21T08:00:01Z", "power": 2.0}')
        await eventually(
            lambda: operator.get("/v1/discoveries"),
            lambda page: {one["value"] for one in page["items"] if one["address"].endswith("#power")} == {2.0},
        )
        (door,) = (
            one for one in (await operator.get("/v1/discoveries")).json()["items"] if one["address"].endswith("#door")
        )
        assert door["kind"] == "boolean"
        asked = {"source": "floor", "pattern": f"{tmp_path.name}/{{asset}}/telemetry#{{stream}}"}
        assert (await operator.post("/v1/discoveries/bind", json=asked)).status_code == 201
        rows = await eventually(
            lambda: operator.get("/v1/measurements", params={"stream": "mill-1.power"}),
            lambda answer: len(answer.get("rows", ())) == 2,
        )
        assert [row[2] for row in rows["rows"]] == [1.0, 2.0], "what came before the binding is stored"
        assert (await operator.get("/v1/discoveries")).json()["items"] == []


@pytest.mark.parametrize("engine_server", ["plain"], indirect=True)
async def test_one_gateway_takes_from_several_brokers_and_goes_on_when_one_is_gone(
    database: Database, tmp_path: Path
) -> None:
    try:
        brokers = contextlib.ExitStack()
        one, other = brokers.enter_context(mosquitto()), brokers.enter_context(mosquitto())
    except Unavailable as reason:
        pytest.skip(str(reason))
    with brokers:
        async with floor(database) as lab, gateway(database, tmp_path):
            operator = lab["lab"]
            for slug, broker, asset, stream in (
                ("north", one, "mill-1", "spindle_speed"),
                ("south", other, "robot-1", "power"),
            ):
                options = {"topics": ["lab/#"], "payload": {"format": "scalar"}}
                source = {
                    "slug": slug,
                    "wire": "mqtt",
                    "url": f"mqtt://{broker.host}:{broker.port}",
                    "options": options,
                }
                assert (await operator.post("/v1/sources", json=source)).status_code == 201
                topic = f"lab/{asset}/{stream}"
                await discovered(lab, broker, slug, topic)
                asked = {"source": slug, "asset": asset, "address": topic, "stream": stream}
                assert (await operator.post("/v1/discoveries/bind", json=asked)).status_code == 201
            await asyncio.to_thread(other.stop)
            await publish(one, "lab/mill-1/spindle_speed", "41")
            await newest(lab, "mill-1.spindle_speed", 41.0)
            await asyncio.to_thread(other.start)
            await publish(other, "lab/robot-1/power", "42")
            await newest(lab, "robot-1.power", 42.0, reader="researcher")


async def discovered(lab: Floor, broker: Broker, source: str, topic: str) -> None:
    """Publish until the address is discovered at its source."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await publish(broker, topic, "1")
            found = (await lab["lab"].get("/v1/discoveries", params={"source": source})).json()["items"]
            if [item["address"] for item in found] == [topic]:
                return
            await asyncio.sleep(0.2)


async def newest(lab: Floor, stream: str, value: float, *, reader: str = "lab") -> None:
    await eventually(
        lambda: lab[reader].get("/v1/latest", params={"stream": stream}),
        lambda answer: [row[2] for row in answer.get("rows", ())] == [value],
    )
