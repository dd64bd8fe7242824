"""A whole machine is taken by folder, browse path or type, described as it describes itself, and kept apart."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asyncua import ua
from asyncua.common.node import Node
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from connectors.registry import build
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.reject import Reason
from simulators.opcua.units import engineering_units
from tests.contract.connectors.opcua_server import NAMESPACE, Machine
from tests.contract.connectors.plant import time_of
from tests.contract.connectors.sink import Sink, running, wait_for


class Mill(Machine):
    """A machine with two spindles of a type, with a current each, and a door; its NodeIds change at each start."""

    starts = 0

    async def start(self) -> None:
        await super().start()
        self.starts += 1
        folder = await self.server.nodes.objects.add_folder(self.index, "Mill")
        kind = await self.server.nodes.base_object_type.add_object_type(
            ua.NodeId(ua.String("SpindleType"), ua.Int16(self.index)), "SpindleType"
        )
        for name in ("Spindle1", "Spindle2"):
            spindle = await folder.add_object(self.index, name, objecttype=kind.nodeid)
            self.nodes[name] = await self._variable(spindle, "Current", 0.5)
            await self.nodes[name].add_property(0, "EngineeringUnits", engineering_units("A"))
        self.nodes["Door"] = await self._variable(folder, "Door", val=False)

    async def _variable(self, parent: Node, name: str, val: float) -> Node:
        number = 10_000 * self.starts + len(self.nodes)
        return await parent.add_variable(ua.NodeId(ua.Int32(number), ua.Int16(self.index)), f"{self.index}:{name}", val)


@pytest.fixture
async def mill() -> AsyncIterator[Mill]:
    mill = Mill({"loose": ua.Variant(7.0)})
    await mill.start()
    yield mill
    await mill.stop()


def connect(mill: Mill, *bound: str, **options: object) -> Connector:
    every = {"security": "none", "publishing_interval": 50, "keep_alive": 300} | options
    source = Source(id=1, slug="mill", wire=Wire.OPCUA, url=mill.url, options=every)
    connector = build(source, client_name="gateway-1", environment={})
    connector.watch(bound)
    return connector


def path(names: str) -> str:
    return f"path=nsu={NAMESPACE};{names}"


def addresses(sink: Sink) -> set[str]:
    return {address for delivery in sink.deliveries for address in delivery.samples.addresses}


SPINDLES = {path("Mill/Spindle1/Current"), path("Mill/Spindle2/Current")}
TAKEN = {
    "folder": ({"folder": path("Mill")}, {*SPINDLES, path("Mill/Door")}),
    "path": ({"path": "Mill/*/Current"}, SPINDLES),
    "folder and path": ({"folder": path("Mill"), "path": "D*"}, {path("Mill/Door")}),
    "type": ({"type": f"nsu={NAMESPACE};s=SpindleType"}, SPINDLES),
}


@pytest.mark.parametrize("how", TAKEN)
async def test_what_the_options_choose_arrives_at_its_browse_path(mill: Mill, how: str) -> None:
    take, expected = TAKEN[how]
    sink = Sink()
    async with running(connect(mill, take=[take]), sink):
        await sink.until(lambda: addresses(sink) >= expected, seconds=60)
    assert addresses(sink) == expected
    assert sink.rejects == []


async def test_what_is_taken_is_described_with_unit_and_kind(mill: Mill) -> None:
    sink = Sink()
    async with running(connect(mill, take=[{"folder": path("Mill")}]), sink):
        await sink.until(lambda: len(sink.described) >= 3, seconds=60)
    told = {one.address: (one.kind, one.unit) for one in sink.described}
    assert told == {
        path("Mill/Spindle1/Current"): (Kind.NUMBER, "A"),
        path("Mill/Spindle2/Current"): (Kind.NUMBER, "A"),
        path("Mill/Door"): (Kind.BOOLEAN, None),
    }


async def test_what_is_taken_says_what_it_is_by_description_range_and_dictionary(mill: Mill) -> None:
    current = mill.nodes["Spindle1"]
    await current.write_attribute(
        AttributeIds.Description, ua.DataValue(ua.Variant(ua.LocalizedText(" Motor current ")))
    )
    await current.add_property(0, "EURange", ua.Range(Low=0, High=40))
    await mill.nodes["Spindle2"].add_property(0, "EURange", ua.Range(Low=0, High=0))
    irdi = "0112/2///61360_4#AAF726#001"
    entry = await mill.server.nodes.objects.add_object(
        ua.NodeId(ua.String("entry"), ua.Int16(mill.index)), ua.QualifiedName(irdi, ua.Int16(0))
    )
    await entry.write_attribute(
        AttributeIds.DisplayName, ua.DataValue(ua.Variant(ua.LocalizedText("electric current")))
    )
    await current.add_reference(entry, ObjectIds.HasDictionaryEntry)
    sink = Sink()
    async with running(connect(mill, take=[{"path": "Mill/*/Current"}]), sink):
        await sink.until(lambda: len(sink.described) >= 2, seconds=60)
    told = {one.address: one for one in sink.described}
    assert told[path("Mill/Spindle1/Current")] == Description(
        address=path("Mill/Spindle1/Current"),
        kind=Kind.NUMBER,
        unit="A",
        quantity="electric current",
        text="Motor current",
        semantic_id=irdi,
        low=0.0,
        high=40.0,
    )
    other = told[path("Mill/Spindle2/Current")]
    assert (other.quantity, other.semantic_id, other.low, other.high) == (None, None, None, None)


async def test_what_is_bound_is_taken_once_whichever_way_it_is_named(mill: Mill) -> None:
    sink, by_number = Sink(), f"nsu={NAMESPACE};i={mill.nodes['Spindle1'].nodeid.Identifier!s}"
    by_path = path("Mill/Spindle2/Current")
    async with running(connect(mill, by_number, by_path, take=[{"path": "Mill/*/Current"}]), sink):
        await sink.until(lambda: len(sink.described) >= 2 and len(sink.values()) >= 2, seconds=60)
        await mill.nodes["Spindle1"].write_value(1.5)
        await sink.until(lambda: 1.5 in sink.values(), seconds=60)
    assert addresses(sink) == {by_number, by_path}


async def test_signals_are_kept_apart_when_namespaces_and_nodes_are_numbered_anew(mill: Mill) -> None:
    sink, connector = Sink(), connect(mill, path("Mill/Spindle1/Current"), take=[{"path": "Mill/**"}])
    first, second = path("Mill/Spindle1/Current"), path("Mill/Spindle2/Current")
    async with running(connector, sink):
        await sink.until(lambda: addresses(sink) >= {first, second}, seconds=60)
        await mill.stop()
        mill.foreign = ["urn:a", "urn:b"]
        await mill.start()
        await mill.nodes["Spindle1"].write_value(11.0)
        await mill.nodes["Spindle2"].write_value(22.0)
        await sink.until(lambda: 11.0 in sink.values(first) and 22.0 in sink.values(second), seconds=60)
    assert 22.0 not in sink.values(first)
    assert 11.0 not in sink.values(second)


async def test_a_folder_that_is_not_there_is_told_and_what_is_bound_goes_on(
    mill: Mill, caplog: pytest.LogCaptureFixture
) -> None:
    sink, loose = Sink(), mill.address("loose")
    async with running(connect(mill, loose, path("Mill/Nothing"), take=[{"folder": path("Nowhere")}]), sink):
        await sink.until(lambda: sink.values(loose) == [7.0] and len(sink.rejects) == 1, seconds=60)
        await wait_for(lambda: "options.take names path=" in caplog.text)
    (reject,) = sink.rejects
    assert reject.reason is Reason.UNKNOWN_ADDRESS
    assert "no node has this path" in reject.detail


async def test_no_more_is_taken_than_the_options_allow(mill: Mill, caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    async with running(connect(mill, take=[{}], take_most=2), sink):
        await sink.until(lambda: len(sink.described) == 2, seconds=60)
        await wait_for(lambda: "more than take_most" in caplog.text)
    assert len(sink.described) == 2


async def test_a_node_that_is_gone_is_told_once_and_is_there_again_with_its_next_value(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.opcua.roster.RETRY", 0.3)
    sink, current, loose = Sink(), path("Mill/Spindle1/Current"), mill.address("loose")
    mill.nodes["current"] = mill.nodes["Spindle1"]
    async with running(connect(mill, current, loose), sink):
        await sink.until(lambda: len(sink.values()) == 2, seconds=60)
        await mill.write("current", ua.Variant(), at=None, status=0x8034_0000)  # BadNodeIdUnknown
        await sink.until(lambda: len(sink.rejects) == 1, seconds=60)
        for step in range(3):
            await mill.write("loose", ua.Variant(8.0 + step), at=time_of(8 + step))
            await asyncio.sleep(0.4)
        await mill.write("current", ua.Variant(9.5), at=time_of(20))
        await sink.until(lambda: 9.5 in sink.values(current) and bool(sink.gaps), seconds=60)
        await sink.until(lambda: 10.0 in sink.values(loose), seconds=60)
    assert [reject.address for reject in sink.rejects] == [current], "told once, however often it is asked for"
    assert {gap.addresses for gap in sink.gaps} == {(current,)}
