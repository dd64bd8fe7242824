"""The address space: one object a machine, one variable a signal, with unit and range (OPC 10000-8, 5.3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uatypes import DateTime

from simulators.columns import Value
from simulators.machine import Machine
from simulators.opcua.units import engineering_units
from simulators.signals import Kind, Signal

GOOD = ua.StatusCode()
SPOILT = tuple(
    ua.StatusCode(ua.UInt32(code))
    for code in (
        StatusCodes.BadSensorFailure,
        StatusCodes.BadNoCommunication,
        StatusCodes.UncertainLastUsableValue,
        StatusCodes.BadOutOfService,
    )
)
"""What a value's status becomes where a wire brings garbage."""
_EPOCH = DateTime(1970, 1, 1, tzinfo=UTC)
_READABLE = ua.AccessLevel.CurrentRead.mask | ua.AccessLevel.HistoryRead.mask


@dataclass(frozen=True, kw_only=True)
class SignalNode:
    """A signal and the variable that carries it."""

    node: ua.NodeId
    signal: Signal
    variant: ua.VariantType

    def value(self, value: Value, source: DateTime, server: DateTime, status: ua.StatusCode = GOOD) -> ua.DataValue:
        """Give a value, measured at `source` and known to the server at `server`; good if nothing else is said."""
        return ua.DataValue(
            ua.Variant(value, self.variant), StatusCode=status, SourceTimestamp=source, ServerTimestamp=server
        )


def stamp(time_us: int) -> DateTime:
    """Give microseconds since the Unix epoch as OPC UA's own kind of moment."""
    return _EPOCH + timedelta(microseconds=time_us)


def named(name: str, namespace: int) -> ua.NodeId:
    """Give the NodeId of this name: `ns=…;s=…`."""
    return ua.NodeId.from_string(f"ns={namespace};s={name}")


def standard(number: int) -> ua.NodeId:
    """Give a NodeId of the standard's own namespace: `i=…`."""
    return ua.NodeId.from_string(f"i={number}")


def nodes_of(machine: Machine, namespace: int) -> tuple[SignalNode, ...]:
    """Name the variables of a machine, in the order of its signals: `ns=…;s=<asset>/<signal>`."""
    return tuple(
        SignalNode(node=named(f"{machine.asset}/{signal.name}", namespace), signal=signal, variant=_variant_of(signal))
        for signal in machine.signals
    )


def items_of(
    machine: Machine, nodes: Sequence[SignalNode], values: Sequence[Value], namespace: int
) -> list[ua.AddNodesItem]:
    """Describe the nodes of a machine, parents first, holding their first values."""
    objects = standard(ObjectIds.ObjectsFolder)
    owner = named(machine.asset, namespace)
    attributes = ua.ObjectAttributes()
    attributes.DisplayName = ua.LocalizedText(machine.asset)
    attributes.Description = ua.LocalizedText(machine.title)
    whole = item_at(owner, objects, ObjectIds.Organizes, machine.asset, namespace, ObjectIds.BaseObjectType)
    whole.NodeClass = ua.NodeClass.Object
    whole.NodeAttributes = attributes
    items = [whole]
    for node, value in zip(nodes, values, strict=True):
        items += _variable(owner, node, value, namespace)
    return items


def _variable(owner: ua.NodeId, node: SignalNode, value: Value, namespace: int) -> list[ua.AddNodesItem]:
    signal = node.signal
    analogue = signal.kind is Kind.NUMBER and not signal.whole
    kind = ObjectIds.AnalogUnitRangeType if analogue else ObjectIds.BaseDataVariableType
    attributes = attributes_of(ua.Variant(value, node.variant), signal.name, signal.description)
    attributes.AccessLevel = attributes.UserAccessLevel = _READABLE
    attributes.Historizing = True
    item = item_at(node.node, owner, ObjectIds.HasComponent, signal.name, namespace, kind)
    item.NodeAttributes = attributes
    items = [item]
    if signal.kind is Kind.NUMBER:
        items.append(_property(node.node, "EngineeringUnits", engineering_units(signal.unit), ObjectIds.EUInformation))
        if signal.low is not None and signal.high is not None:
            span = ua.Range(Low=signal.low, High=signal.high)
            items.append(_property(node.node, "EURange", span, ObjectIds.Range))
    return items


def _property(owner: ua.NodeId, name: str, value: object, data_type: int) -> ua.AddNodesItem:
    item = item_at(
        named(f"{owner.Identifier!s}/{name}", owner.NamespaceIndex),
        owner,
        ObjectIds.HasProperty,
        name,
        0,
        ObjectIds.PropertyType,
    )
    attributes = attributes_of(ua.Variant(value, ua.VariantType.ExtensionObject), name, name)
    attributes.DataType = standard(data_type)
    item.NodeAttributes = attributes
    return item


def attributes_of(value: ua.Variant, name: str, description: str) -> ua.VariableAttributes:
    """Describe a variable that holds this value and can be read."""
    attributes = ua.VariableAttributes()
    attributes.DisplayName = ua.LocalizedText(name)
    attributes.Description = ua.LocalizedText(description)
    attributes.Value = value
    attributes.DataType = standard(value.VariantType.value)
    attributes.ValueRank = ua.ValueRank.Scalar
    attributes.AccessLevel = attributes.UserAccessLevel = ua.AccessLevel.CurrentRead.mask
    return attributes


def item_at(
    node: ua.NodeId, parent: ua.NodeId, reference: int, name: str, name_space: int, kind: int | ua.NodeId
) -> ua.AddNodesItem:
    """Ask for a variable below a parent, of a type: the standard's of this number, or any by its NodeId."""
    item = ua.AddNodesItem()
    item.RequestedNewNodeId = node
    item.ParentNodeId = parent
    item.ReferenceTypeId = standard(reference)
    item.BrowseName = ua.QualifiedName(name, name_space)
    item.NodeClass = ua.NodeClass.Variable
    item.TypeDefinition = standard(kind) if isinstance(kind, int) else kind
    return item


def _variant_of(signal: Signal) -> ua.VariantType:
    match signal.kind:
        case Kind.TEXT:
            return ua.VariantType.String
        case Kind.BOOLEAN:
            return ua.VariantType.Boolean
        case Kind.NUMBER:
            return ua.VariantType.Int64 if signal.whole else ua.VariantType.Double
