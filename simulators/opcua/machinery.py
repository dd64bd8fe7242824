"""The building blocks of OPC UA for Machinery (OPC 40001-1, 1.04) around each machine: who it is and what it does.

    Objects/Machines (9)                 every machine of the server
      <machine>
        Identification (8)               nameplate: MachineIdentificationType
        MachineryBuildingBlocks (6.3)    Identification, MachineryItemState, Monitoring
        Monitoring (16)                  MonitoringType
          Status/MachineryItemState (12) CurrentState: Executing, NotExecuting, OutOfService
          Process, Consumption           the machine's variables, consumption being power and energy

The published NodeSet is not loaded. The types that instances refer to are there, with their published NodeIds and
BrowseNames, below the standard's own types; their instance declarations, transitions and optional parts are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uatypes import DateTime

from simulators.columns import Value
from simulators.machine import Machine
from simulators.opcua.nodes import SignalNode, attributes_of, item_at, named, stamp, standard
from simulators.slots import COMMISSIONED_US

DI = "http://opcfoundation.org/UA/DI/"
MACHINERY = "http://opcfoundation.org/UA/Machinery/"
_MACHINES, _STATE_TYPE, _ITEM_TYPE, _MACHINE_TYPE, _MONITORING_TYPE = 1001, 1002, 1004, 1012, 1014
_FUNCTIONAL_GROUP = 1005
_STATES = {"OutOfService": 5004, "NotAvailable": 5005, "Executing": 5006, "NotExecuting": 5007}
_OUT_OF_SERVICE = frozenset({"packaging/HELD"})
_NOT_EXECUTING = frozenset({"IDLE", "HELD", "SUSPENDED", "STOPPED", "COMPLETE", "RESETTING", "WAITING"})
_CONSUMPTION = frozenset({"active power", "energy"})
_STATE_SIGNALS = frozenset({"state", "cycle_state"})


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """The server's indices of the namespaces: its own, the one for devices (OPC 10000-100), and Machinery's."""

    own: int
    di: int
    machinery: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is to be added to an address space: nodes, parents first, then further references between them."""

    nodes: tuple[ua.AddNodesItem, ...]
    references: tuple[ua.AddReferencesItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemState:
    """The variables that carry a machine's item state, and the place of its state among its signals."""

    text: ua.NodeId
    number: ua.NodeId
    position: int


def item_state_of(machine: Machine, state: str) -> str:
    """Give the state of OPC 40001-1, 12, for a machine's own: a packaging line on hold is jammed: out of service."""
    if f"{machine.type_name}/{state}" in _OUT_OF_SERVICE:
        return "OutOfService"
    return "NotExecuting" if state in _NOT_EXECUTING else "Executing"


def state_values(state: str, spaces: Spaces) -> tuple[ua.Variant, ua.Variant]:
    """Give CurrentState and its Id, which names the state's node."""
    node = _numbered(_STATES[state], spaces.machinery)
    return ua.Variant(ua.LocalizedText(state), ua.VariantType.LocalizedText), ua.Variant(node, ua.VariantType.NodeId)


def types(spaces: Spaces) -> Model:
    """Give the types that machines refer to, the item's states, and the folder of machines."""
    space, machines = spaces.machinery, _numbered(_MACHINES, spaces.machinery)
    nodes = [
        _type(spaces.di, _FUNCTIONAL_GROUP, "FunctionalGroupType", standard(ObjectIds.FolderType)),
        _type(space, _ITEM_TYPE, "MachineryItemIdentificationType", _numbered(_FUNCTIONAL_GROUP, spaces.di)),
        _type(space, _MACHINE_TYPE, "MachineIdentificationType", _numbered(_ITEM_TYPE, space)),
        _type(space, _MONITORING_TYPE, "MonitoringType", standard(ObjectIds.FolderType)),
        _type(space, _STATE_TYPE, "MachineryItemState_StateMachineType", standard(ObjectIds.FiniteStateMachineType)),
    ]
    for state, number in _STATES.items():
        owner = _numbered(_STATE_TYPE, space)
        kind = standard(ObjectIds.StateType)
        nodes.append(_object(_numbered(number, space), owner, ObjectIds.HasComponent, state, space, kind))
    objects = standard(ObjectIds.ObjectsFolder)
    nodes.append(_object(machines, objects, ObjectIds.Organizes, "Machines", space, standard(ObjectIds.FolderType)))
    return Model(nodes=tuple(nodes))


def model_of(machine: Machine, signals: Sequence[SignalNode], spaces: Spaces) -> tuple[Model, ItemState | None]:
    """Give the building blocks of a machine whose object and variables are there already."""
    own, space, folder = spaces.own, spaces.machinery, standard(ObjectIds.FolderType)
    root = named(machine.asset, own)

    def at(name: str) -> ua.NodeId:
        return named(f"{machine.asset}/{name}", own)

    blocks, identity, monitoring = at("MachineryBuildingBlocks"), at("Identification"), at("Monitoring")
    process, consumption, status = at("Monitoring/Process"), at("Monitoring/Consumption"), at("Monitoring/Status")
    identified, monitored = _numbered(_MACHINE_TYPE, space), _numbered(_MONITORING_TYPE, space)
    nodes = [
        _object(blocks, root, ObjectIds.HasComponent, "MachineryBuildingBlocks", space, folder),
        _object(identity, root, ObjectIds.HasAddIn, "Identification", spaces.di, identified),
        *_nameplate(machine, identity, spaces),
        _object(monitoring, root, ObjectIds.HasAddIn, "Monitoring", space, monitored),
        _object(status, monitoring, ObjectIds.HasComponent, "Status", space, folder),
        _object(process, monitoring, ObjectIds.HasComponent, "Process", space, folder),
        _object(consumption, monitoring, ObjectIds.HasComponent, "Consumption", space, folder),
    ]
    references = [
        _reference(_numbered(_MACHINES, space), root, ObjectIds.Organizes),
        _reference(blocks, identity, ObjectIds.HasAddIn),
        _reference(blocks, monitoring, ObjectIds.HasAddIn),
    ]
    state = None
    for position, signal in enumerate(signals):
        if signal.signal.name in _STATE_SIGNALS:
            carrier = at("MachineryItemState")
            nodes += _state_machine(carrier, blocks, spaces)
            references.append(_reference(status, carrier, ObjectIds.HasAddIn))
            text = named(f"{carrier.Identifier!s}/CurrentState", own)
            state = ItemState(text=text, number=named(f"{text.Identifier!s}/Id", own), position=position)
        used = signal.signal.quantity in _CONSUMPTION
        references.append(_reference(consumption if used else process, signal.node, ObjectIds.Organizes))
    return Model(nodes=tuple(nodes), references=tuple(references)), state


def _nameplate(machine: Machine, owner: ua.NodeId, spaces: Spaces) -> list[ua.AddNodesItem]:
    """Give the properties of the nameplate: those of OPC 10000-100 in its namespace, the others in Machinery's."""
    text, word = ua.VariantType.LocalizedText, ua.VariantType.String
    plate: tuple[tuple[int, str, Value | ua.LocalizedText | DateTime, ua.VariantType], ...] = (
        (spaces.di, "Manufacturer", ua.LocalizedText("Fieldlab simulators"), text),
        (spaces.di, "ManufacturerUri", "urn:fieldlab:simulator", word),
        (spaces.di, "Model", ua.LocalizedText(machine.title), text),
        (spaces.di, "ProductCode", machine.type_name, word),
        (spaces.di, "SerialNumber", f"{machine.type_name}-{machine.seed}", word),
        (spaces.di, "ProductInstanceUri", f"urn:fieldlab:simulator:{machine.type_name}-{machine.seed}", word),
        (spaces.di, "DeviceClass", machine.type_name, word),
        (spaces.di, "AssetId", machine.asset, word),
        (spaces.machinery, "YearOfConstruction", 2020, ua.VariantType.UInt16),
        (spaces.machinery, "InitialOperationDate", stamp(COMMISSIONED_US), ua.VariantType.DateTime),
        (spaces.machinery, "Location", "simulated", word),
    )
    return [_property(owner, name, space, ua.Variant(value, kind)) for space, name, value, kind in plate]


def _state_machine(carrier: ua.NodeId, blocks: ua.NodeId, spaces: Spaces) -> list[ua.AddNodesItem]:
    machine = _object(
        carrier,
        blocks,
        ObjectIds.HasAddIn,
        "MachineryItemState",
        spaces.machinery,
        _numbered(_STATE_TYPE, spaces.machinery),
    )
    text, number = state_values("NotAvailable", spaces)
    current = named(f"{carrier.Identifier!s}/CurrentState", spaces.own)
    variable = item_at(current, carrier, ObjectIds.HasComponent, "CurrentState", 0, ObjectIds.FiniteStateVariableType)
    variable.NodeAttributes = attributes_of(text, "CurrentState", "What the machine does")
    return [machine, variable, _property(current, "Id", 0, number)]


def _type(space: int, number: int, name: str, parent: ua.NodeId) -> ua.AddNodesItem:
    item = item_at(_numbered(number, space), parent, ObjectIds.HasSubtype, name, space, ua.NodeId())
    item.NodeClass = ua.NodeClass.ObjectType
    item.NodeAttributes = ua.ObjectTypeAttributes(
        DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(name)
    )
    return item


def _object(
    node: ua.NodeId, parent: ua.NodeId, reference: int, name: str, space: int, kind: ua.NodeId
) -> ua.AddNodesItem:
    item = item_at(node, parent, reference, name, space, kind)
    item.NodeClass = ua.NodeClass.Object
    item.NodeAttributes = ua.ObjectAttributes(DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(name))
    return item


def _property(owner: ua.NodeId, name: str, space: int, value: ua.Variant) -> ua.AddNodesItem:
    node = named(f"{owner.Identifier!s}/{name}", owner.NamespaceIndex)
    item = item_at(node, owner, ObjectIds.HasProperty, name, space, ObjectIds.PropertyType)
    item.NodeAttributes = attributes_of(value, name, name)
    return item


def _reference(source: ua.NodeId, target: ua.NodeId, kind: int) -> ua.AddReferencesItem:
    item = ua.AddReferencesItem()
    item.SourceNodeId, item.TargetNodeId = source, target
    item.ReferenceTypeId = standard(kind)
    item.IsForward = True
    item.TargetNodeClass = ua.NodeClass.Object
    return item


def _numbered(number: int, space: int) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={space};i={number}")
