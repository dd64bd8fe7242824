"""A client that knows OPC UA for Machinery, and nothing of the simulators, finds every machine and what it does."""

import asyncio

import numpy as np
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.object_ids import ObjectIds

from simulators.machine import Machine
from simulators.machines import MACHINES, Mill, Packaging
from simulators.opcua import serve
from simulators.opcua.machinery import DI, MACHINERY, item_state_of
from simulators.schedule import microseconds
from tests.servers.port import free_port

PLAYED: tuple[Machine, ...] = (Mill(asset="mill-1", seed=3), Packaging(asset="packaging-1", seed=4))


async def test_machines_are_found_by_the_standards_names_with_nameplate_state_and_monitoring() -> None:
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}"
    stop, listening = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(PLAYED, endpoint=endpoint, stop=stop, listening=listening))
    await asyncio.wait_for(listening.wait(), 60)
    try:
        async with Client(endpoint, timeout=60) as client:
            di, space = [await client.get_namespace_index(uri) for uri in (DI, MACHINERY)]
            machines = client.get_node(f"ns={space};i=1001")
            assert (await machines.read_browse_name()).Name == "Machines"
            found = await machines.get_referenced_nodes(ObjectIds.Organizes, ua.BrowseDirection.Forward)
            assert [(await one.read_browse_name()).Name for one in found] == ["mill-1", "packaging-1"]
            for node, machine in zip(found, PLAYED, strict=True):
                blocks = await node.get_child(f"{space}:MachineryBuildingBlocks")
                identity = await blocks.get_child(f"{di}:Identification")
                assert identity == await node.get_child(f"{di}:Identification")
                assert await identity.read_type_definition() == ua.NodeId.from_string(f"ns={space};i=1012")
                plate = {name: await (await identity.get_child(f"{di}:{name}")).read_value() for name in MANDATORY}
                assert plate["Manufacturer"].Text
                assert await (await identity.get_child(f"{di}:AssetId")).read_value() == machine.asset
                assert len({str(value) for value in plate.values()}) == len(MANDATORY)
                status = await blocks.get_child([f"{space}:Monitoring", f"{space}:Status"])
                state = await status.get_child(f"{space}:MachineryItemState")
                assert state == await blocks.get_child(f"{space}:MachineryItemState")
                assert await state.read_type_definition() == ua.NodeId.from_string(f"ns={space};i=1002")
                current = await state.get_child("0:CurrentState")
                shown = await current.read_data_value()
                assert shown.Value is not None
                named = client.get_node(await (await current.get_child("0:Id")).read_value())
                assert (await named.read_browse_name()).Name == shown.Value.Value.Text
                assert shown.SourceTimestamp is not None
                at = np.array([microseconds(shown.SourceTimestamp, "source")], dtype=np.int64)
                own = str(machine.at(at).values["state"][0])
                assert shown.Value.Value.Text == item_state_of(machine, own)
                monitoring = await node.get_child(f"{space}:Monitoring")
                parts: dict[str, set[str]] = {}
                for part in ("Process", "Consumption"):
                    inside = await (await monitoring.get_child(f"{space}:{part}")).get_children()
                    parts[part] = {(await one.read_browse_name()).Name for one in inside}
                assert parts["Process"] | parts["Consumption"] == {signal.name for signal in machine.signals}
                assert "power" in parts["Consumption"]
    finally:
        stop.set()
        await asyncio.wait_for(serving, 60)


MANDATORY = ("Manufacturer", "SerialNumber", "ProductInstanceUri")


@pytest.mark.parametrize(
    ("kind", "state", "shown"),
    [
        ("mill", "EXECUTE", "Executing"),
        ("mill", "HELD", "NotExecuting"),
        ("packaging", "HELD", "OutOfService"),
        ("packaging", "SUSPENDED", "NotExecuting"),
        ("robot", "TRANSFER", "Executing"),
        ("robot", "WAITING", "NotExecuting"),
        ("moulding", "INJECTION", "Executing"),
        ("moulding", "IDLE", "NotExecuting"),
    ],
)
def test_a_machines_own_states_are_told_in_the_standards(kind: str, state: str, shown: str) -> None:
    assert item_state_of(MACHINES[kind](asset="a"), state) == shown
