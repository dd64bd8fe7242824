"""The OPC UA connector against a server of a third maker: open62541."""

from pathlib import Path

import pytest

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.gap import Cause
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.servers.open62541 import MAKER, NAMESPACE, PACKAGES, open62541
from tests.servers.other_python import python_with
from tests.servers.port import free_port
from tests.servers.unavailable import Unavailable

NAMES = ("Heat", "Name", "On", "Small", "Axes#0", "Axes#1", "Axes#2")


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        python_with(PACKAGES, name="open62541", what=MAKER)
    except Unavailable as reason:
        pytest.skip(str(reason))


def connect(port: int, directory: Path, *addresses: str, **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 100, "keep_alive": 500} | options
    source = Source(id=1, slug="mill", wire=Wire.OPCUA, url=f"opc.tcp://127.0.0.1:{port}", options=every)
    connector = build(source, client_name="gateway-1", environment={}, directory=directory)
    connector.watch(addresses)
    return connector


def address(name: str) -> str:
    return f"path=nsu={NAMESPACE};Mill/{name}"


def told(sink: Sink) -> dict[str, float | str | None]:
    found: dict[str, float | str | None] = {}
    for delivery in sink.deliveries:
        rows = delivery.rows
        for place, value, text in zip(rows.addresses, rows.values, rows.texts, strict=True):
            found[place] = value if text is None else text
    return found


async def test_a_whole_machine_is_taken_with_values_of_every_kind(tmp_path: Path) -> None:
    port, sink = free_port(), Sink()
    with open62541(port):
        async with running(connect(port, tmp_path, take=[{"path": "Mill/*"}]), sink):
            await sink.until(lambda: {address(name) for name in NAMES} <= set(told(sink)))
            await sink.until(lambda: len(sink.values(address("Counter"))) > 3)
    found = told(sink)
    assert [found[address(name)] for name in NAMES] == [21.5, "CNC", 1.0, 7.0, 1.0, 2.0, 3.0]
    assert sink.rejects == []


async def test_a_server_that_restarts_is_found_again_and_what_was_missed_is_a_gap(tmp_path: Path) -> None:
    port, sink = free_port(), Sink()
    counter = f"nsu={NAMESPACE};s=Mill/Counter"
    connector = connect(port, tmp_path, counter)
    async with running(connector, sink):
        with open62541(port):
            await sink.until(lambda: len(sink.values(counter)) > 3)
        await wait_for(lambda: not connector.connected)
        seen = len(sink.values(counter))
        with open62541(port):
            await sink.until(lambda: bool(sink.gaps) and len(sink.values(counter)) > seen + 3)
    assert {gap.cause for gap in sink.gaps} <= {Cause.SOURCE_UNREACHABLE, Cause.SUBSCRIPTION_LOST}
    assert sink.rejects == []
