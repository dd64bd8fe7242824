"""Browsing an OPC UA server shows what it offers, and what each variable says of itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest
from asyncua import ua
from rich.console import Console

from cli.opcua_tree import lines, tree
from connectors.opcua.browse import Found
from connectors.opcua.connector import browsed
from connectors.opcua.units import ucum
from fieldlab.assets.source import Source, Wire
from simulators.opcua.units import engineering_units
from tests.contract.connectors.opcua_server import NAMESPACE, Machine


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine({"loose": ua.Variant(True)}, remembers=True)
    await machine.start()
    folder = await machine.server.nodes.objects.add_folder(machine.index, "Mill")
    spindle = await folder.add_object(machine.index, "Spindle")
    current = await spindle.add_variable(
        ua.NodeId(ua.String("Mill/Spindle/Current"), ua.Int16(machine.index)), "Current", ua.Variant(1.0)
    )
    await current.add_property(0, "EngineeringUnits", engineering_units("A"))
    await current.add_property(0, "EURange", ua.Range(Low=0, High=40))
    await spindle.add_variable(machine.index, "Axes", ua.Variant([1.0, 2.0]))
    await (await spindle.add_variable(machine.index, "Target", ua.Variant("x"))).set_writable()
    yield machine
    await machine.stop()


async def browse(machine: Machine, tmp_path: Path, *, depth: int = 8) -> list[Found]:
    source = Source(id=0, slug="browse", wire=Wire.OPCUA, url=machine.url, options={"security": "none"})
    return await browsed(source, environment={}, directory=tmp_path, depth=depth, most=1_000)


async def test_each_variable_is_shown_with_its_type_unit_range_access_and_history(
    machine: Machine, tmp_path: Path
) -> None:
    found = await browse(machine, tmp_path)
    told = {one["path"]: one for one in map(json.loads, lines(found))}
    assert set(told) == {"loose", "Mill/Spindle/Current", "Mill/Spindle/Axes", "Mill/Spindle/Target"}
    current = told["Mill/Spindle/Current"]
    assert current["address"] == f"nsu={NAMESPACE};s=Mill/Spindle/Current"
    assert (current["type"], current["unit"], current["low"], current["high"]) == ("Double", "A", 0, 40)
    assert (current["readable"], current["writable"], current["history"]) == (True, False, False)
    assert told["Mill/Spindle/Axes"]["type"] == "Double[]"
    assert told["Mill/Spindle/Target"]["writable"]
    assert (told["loose"]["type"], told["loose"]["history"]) == ("Boolean", True)

    console = Console(width=160, record=True, file=StringIO())
    console.print(tree(machine.url, found))
    shown = console.export_text()
    assert f"Current  Double; A; 0 to 40  <nsu={NAMESPACE};s=Mill/Spindle/Current>" in shown
    assert "history" in shown


async def test_browsing_goes_as_deep_as_it_is_told_and_leaves_nothing_at_the_server(
    machine: Machine, tmp_path: Path
) -> None:
    (mill,) = [one for one in await browse(machine, tmp_path, depth=2) if one.path == ("Mill",)]
    assert [child.path for child in mill.children] == [("Mill", "Spindle")]
    assert mill.children[0].children == []
    await asyncio.sleep(0.1)
    assert machine.subscriptions == []


@pytest.mark.parametrize("unit", ["A", "mm/s", "%", "Cel", "kW.h", "N.m", "/min", "[ppm]"])
def test_units_come_back_as_ucum(unit: str) -> None:
    told = engineering_units(unit)
    assert ucum(told.UnitId, told.DisplayName.Text) == unit


def test_a_unit_that_is_not_known_is_told_as_the_server_shows_it() -> None:
    assert ucum(-1, "furlong") == "furlong"
    assert ucum(0, None) is None
