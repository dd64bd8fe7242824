"""Values of a server's own types arrive with the names that the server gives them: enumerations, structures, states."""

from collections.abc import AsyncIterator

import pytest
from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.reject import Reason
from tests.contract.connectors.opcua_server import NAMESPACE, Machine
from tests.contract.connectors.plant import time_of
from tests.contract.connectors.sink import Sink, running


class Typed(Machine):
    """A machine with an enumeration, a structure that holds another and an array, and a multi-state variable."""

    async def start(self) -> None:
        await super().start()
        server, index = self.server, self.index
        state = await new_enum(server, index, "MillState", ["Idle", "Cutting"])
        point = await new_struct(
            server, index, "MillPoint",
            [new_struct_field("X", ua.VariantType.Double), new_struct_field("Y", ua.VariantType.Double)],
        )  # fmt: skip
        tool = await new_struct(
            server, index, "MillTool",
            [
                new_struct_field("Name", ua.VariantType.String),
                new_struct_field("State", state),
                new_struct_field("At", point[0]),
                new_struct_field("Wear", ua.VariantType.Float, array=True),
                new_struct_field("Life", ua.VariantType.UInt32, optional=True),
            ],
        )  # fmt: skip
        await server.load_data_type_definitions()
        value = self.tool(1.0, 0.25)
        for name, kind, first in (
            ("State", state.nodeid, ua.Variant(1, ua.VariantType.Int32)),
            ("Tool", tool[0].nodeid, ua.Variant(value, ua.VariantType.ExtensionObject)),
            ("Tools", tool[0].nodeid, ua.Variant([value, self.tool(2.0, 0.5)], ua.VariantType.ExtensionObject)),
        ):
            node_id = ua.NodeId(ua.String(name), ua.Int16(index))
            self.nodes[name] = await server.nodes.objects.add_variable(node_id, name, first, datatype=kind)
        modes = ua.NodeId(ua.String("Mode"), ua.Int16(index))
        mode = self.nodes["Mode"] = await server.nodes.objects.add_variable(
            modes, "Mode", ua.Variant(1, ua.VariantType.UInt32)
        )
        names = [ua.LocalizedText("Manual"), ua.LocalizedText("Automatic")]
        await mode.add_property(0, "EnumStrings", names)
        span = ua.NodeId(ua.String("Span"), ua.Int16(index))
        self.nodes["Span"] = await server.nodes.objects.add_variable(span, "Span", ua.Range(Low=1.0, High=2.0))

    @staticmethod
    def tool(x: float, wear: float) -> object:
        made = vars(ua)["MillTool"]()
        made.Name, made.State = "drill", vars(ua)["MillState"].Cutting
        made.At = vars(ua)["MillPoint"](X=x, Y=2.0)
        made.Wear = [wear, 0.5]
        return made


@pytest.fixture
async def typed() -> AsyncIterator[Typed]:
    machine = Typed({"current": ua.Variant(0.0)})
    await machine.start()
    yield machine
    await machine.stop()


def connect(machine: Typed, *names: str) -> Connector:
    options = {"security": "none", "publishing_interval": 50, "keep_alive": 300}
    source = Source(id=1, slug="mill", wire=Wire.OPCUA, url=machine.url, options=options)
    connector = build(source, client_name="gateway-1", environment={})
    connector.watch([machine.address(name) for name in names])
    return connector


def told(sink: Sink) -> dict[str, float | str | None]:
    found = {}
    for delivery in sink.deliveries:
        samples = delivery.samples
        for address, value, text in zip(samples.addresses, samples.values, samples.texts, strict=True):
            found[address.removeprefix(f"nsu={NAMESPACE};s=")] = value if text is None else text
    return found


async def test_numbers_with_names_arrive_as_their_names(typed: Typed) -> None:
    sink = Sink()
    async with running(connect(typed, "State", "Mode", "current"), sink):
        await sink.until(lambda: len(told(sink)) == 3, seconds=60)
        assert told(sink) == {"State": "Cutting", "Mode": "Automatic", "current": 0.0}
        await typed.write("State", ua.Variant(0, ua.VariantType.Int32), at=time_of(1))
        await typed.write("Mode", ua.Variant(7, ua.VariantType.UInt32), at=time_of(1))
        await sink.until(lambda: told(sink) == {"State": "Idle", "Mode": "7", "current": 0.0}, seconds=60)


async def test_structures_arrive_field_by_field_also_inside_others_and_in_arrays(typed: Typed) -> None:
    sink = Sink()
    async with running(connect(typed, "Tool", "Tools", "Span"), sink):
        await sink.until(lambda: len(told(sink)) == 20, seconds=60)
    found = told(sink)
    assert {name: value for name, value in found.items() if name.startswith("Tool#")} == {
        "Tool#Name": "drill", "Tool#State": "Cutting", "Tool#At.X": 1.0, "Tool#At.Y": 2.0,
        "Tool#Wear.0": 0.25, "Tool#Wear.1": 0.5,
    }  # fmt: skip
    assert (found["Tools#1.At.X"], found["Tools#1.Wear.0"]) == (2.0, 0.5)
    assert (found["Span#Low"], found["Span#High"]) == (1.0, 2.0)
    assert sink.rejects == []


async def test_a_structure_that_the_server_does_not_explain_is_a_reject_and_the_others_go_on(typed: Typed) -> None:
    riddle = ua.ExtensionObject(
        TypeId=ua.NodeId(ua.Int32(99_999), ua.Int16(typed.index)), Body=ua.ByteString(b"\x01\x02")
    )
    node_id = ua.NodeId(ua.String("riddle"), ua.Int16(typed.index))
    value = ua.Variant(riddle, ua.VariantType.ExtensionObject)
    await typed.server.nodes.objects.add_variable(node_id, "riddle", value, datatype=ua.NodeId(ua.Int32(22)))
    sink = Sink()
    async with running(connect(typed, "riddle", "current"), sink):
        await sink.until(lambda: len(sink.rejects) == 1 and told(sink) == {"current": 0.0}, seconds=60)
        for step in range(1, 4):
            await typed.write("current", ua.Variant(float(step)), at=time_of(step))
        await sink.until(lambda: told(sink) == {"current": 3.0}, seconds=60)
    assert sink.rejects[0].reason is Reason.WRONG_TYPE
