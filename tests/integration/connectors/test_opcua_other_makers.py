"""The OPC UA connector against a server of another maker: node-opcua."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.origin import Origin, origin_of
from tests.contract.connectors.relay import relay
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.servers.node_opcua import node_opcua
from tests.servers.unavailable import Unavailable

MANY = 10_000
STATES = ("Active", "Acked", "Retain")


def address(name: str) -> str:
    return f"nsu=urn:fieldlab:test:machine;s={name}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with node_opcua(variables=MANY) as url:
            yield url
    except Unavailable as reason:
        pytest.skip(str(reason))


def connect(url: str, directory: Path, *names: str, **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 100, "keep_alive": 500} | options
    source = Source(id=1, slug="mill", wire=Wire.OPCUA, url=url, options=every)
    connector = build(source, client_name="gateway-1", environment={}, directory=directory)
    connector.watch([address(name) for name in names])
    return connector


def of_history(sink: Sink) -> bool:
    return any(origin_of(one) is Origin.HISTORY for delivery in sink.deliveries for one in delivery.samples.origins)


async def test_a_cut_cable_loses_no_value_of_a_counter_and_the_past_comes_from_history(
    server: str, tmp_path: Path
) -> None:
    sink, port = Sink(), urlsplit(server).port or 0
    await asyncio.sleep(1.0)  # so that there is a past
    async with relay("127.0.0.1", port) as cable:
        connector = connect(f"opc.tcp://127.0.0.1:{cable.port}", tmp_path, "Mill/Counter", backfill="PT1H")
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await sink.until(lambda: len(sink.values()) > 5)
            cable.cut()
            await wait_for(lambda: not connector.connected)
            await wait_for(lambda: connector.connected)
            seen = len(sink.values())
            await sink.until(lambda: len(sink.values()) > seen + 5)
            await sink.until(lambda: of_history(sink))
            await asyncio.sleep(0.5)
    values = sorted({int(value or 0) for value in sink.values()})
    assert values == list(range(values[0], values[0] + len(values))), (
        "nothing is missing; what comes twice is stored once: node-opcua repeats a value to a new connection"
    )
    assert sink.gaps == []


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
async def test_encrypted_sessions_carry_arrays(server: str, tmp_path: Path, policy: str) -> None:
    sink = Sink()
    async with running(connect(server, tmp_path, "Mill/Axes", security=policy), sink):
        await sink.until(lambda: sink.values() == [1.0, 2.0, 3.0])


def told(sink: Sink) -> dict[str, float | str | None]:
    found = {}
    for delivery in sink.deliveries:
        samples = delivery.samples
        for place, value, text in zip(samples.addresses, samples.values, samples.texts, strict=True):
            found[place] = value if text is None else text
    return found


async def test_states_come_by_name_and_structures_by_field(server: str, tmp_path: Path) -> None:
    sink, connector = Sink(), connect(server, tmp_path)
    connector.watch([address("Mill/State"), address("Mill/Mode"), "i=2256"])
    async with running(connector, sink):
        await sink.until(lambda: {address("Mill/State"), address("Mill/Mode"), "i=2256#State"} <= set(told(sink)))
    found = told(sink)
    assert (found[address("Mill/State")], found[address("Mill/Mode")]) == ("Cutting", "Automatic")
    assert found["i=2256#State"] == "Running"
    assert "NodeOPCUA" in str(found["i=2256#BuildInfo.ProductName"])
    assert sink.rejects == []


async def test_an_alarm_is_told_with_its_states(server: str, tmp_path: Path) -> None:
    sink, alarm = Sink(), f"{address('Mill/Heat')}#!Overheated"
    async with running(connect(server, tmp_path, events=["i=2253"]), sink):
        await sink.until(lambda: [told(sink).get(f"{alarm}.{state}") for state in STATES] == [1.0, 0.0, 1.0])
    found = told(sink)
    assert float(found[f"{alarm}.Severity"] or 0) > 0
    assert f"{alarm}.Message" in found


async def test_an_alarm_that_was_raised_before_anybody_listened_is_told_by_a_condition_refresh(
    server: str, tmp_path: Path
) -> None:
    sink, alarm = Sink(), f"{address('Mill/Pressure')}#!Jammed"
    async with running(connect(server, tmp_path, events=["i=2253"]), sink):
        await sink.until(
            lambda: (
                {f"{alarm}.{part}" for part in ("Active", "Retain", "Acked", "Message", "Severity")} <= set(told(sink))
            )
        )
    found = told(sink)
    assert [found[f"{alarm}.{part}"] for part in ("Active", "Retain", "Acked")] == [1.0, 1.0, 0.0]


async def test_five_hundred_nodes_of_a_folder_are_taken_and_described(server: str, tmp_path: Path) -> None:
    sink = Sink()
    folder = "path=nsu=urn:fieldlab:test:machine;Mill"
    take = [{"folder": folder, "path": "v*"}]
    async with running(connect(server, tmp_path, take=take, take_most=500), sink):
        await sink.until(lambda: len(told(sink)) == 500 and len(sink.described) == 500, seconds=60)
    assert all(one.address.startswith(f"{folder}/v") for one in sink.described)
    assert sink.rejects == []


async def test_a_counter_is_described_with_its_unit(server: str, tmp_path: Path) -> None:
    sink = Sink()
    async with running(connect(server, tmp_path, take=[{"path": "Mill/Counter"}]), sink):
        await sink.until(lambda: bool(sink.described))
    assert [(one.unit, one.address) for one in sink.described] == [
        ("A", "path=nsu=urn:fieldlab:test:machine;Mill/Counter")
    ]


async def test_ten_thousand_nodes_are_subscribed_on_one_connection(server: str, tmp_path: Path) -> None:
    sink = Sink()
    connector = connect(server, tmp_path, *(f"v{place}" for place in range(MANY)))
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == MANY)
    assert sorted(sink.values(), key=lambda value: value or 0) == [float(place) for place in range(MANY)]
    assert sink.rejects == []
