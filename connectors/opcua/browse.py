"""What a server offers: its tree of nodes, with the type, unit, range, access and history of each variable."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIdNames, ObjectIds

from connectors.opcua.address import NodeAddress, PathAddress, Step
from connectors.opcua.requests import Requests
from connectors.opcua.units import ucum
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description, span, worded

_MASK: Final = ua.NodeClass.Object | ua.NodeClass.Variable
_OF_THE_SERVER: Final = (ObjectIds.Server, ObjectIds.Aliases, ObjectIds.Locations)
_UNIT: Final = "EngineeringUnits"
_RANGE: Final = "EURange"
_READABLE, _WRITABLE, _HISTORY = 0x01, 0x02, 0x04
_TEXTS: Final = frozenset({"String", "LocalizedText", "DateTime", "UtcTime", "Guid", "LocaleId"})


@dataclass(kw_only=True, slots=True)
class Found:
    """A node: its address, its browse path below Objects, and what it says of itself, as far as it does.

    `steps` is the browse path with namespaces, empty where it is not known; `type_definition` an address.
    """

    address: str
    path: tuple[str, ...]
    variable: bool
    steps: tuple[Step, ...] = ()
    type_definition: str = ""
    type: str = ""
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    readable: bool = False
    writable: bool = False
    history: bool = False
    description: str = ""
    quantity: str | None = None
    semantic_id: str | None = None
    children: list["Found"] = field(default_factory=list)

    @property
    def by_path(self) -> str:
        """Give its address by browse path, else by identifier."""
        return str(PathAddress(steps=self.steps)) if self.steps else self.address

    @property
    def kind(self) -> Kind | None:
        """Tell what kind of stream its values make, as far as its type tells."""
        match self.type:
            case "Boolean":
                return Kind.BOOLEAN
            case "Float" | "Double" | "Byte" | "SByte" | "Int16" | "Int32" | "Int64" | "UInt16" | "UInt32" | "UInt64":
                return Kind.NUMBER
            case text if text in _TEXTS:
                return Kind.TEXT
            case _:
                return None

    @property
    def described(self) -> Description:
        """Give what it says of itself under its address by browse path; a structure's parts have their own."""
        low, high = span(self.low, self.high)
        return Description(
            address=self.by_path,
            kind=self.kind,
            unit=self.unit,
            quantity=worded(self.quantity),
            text=worded(self.description),
            semantic_id=worded(self.semantic_id),
            low=low,
            high=high,
        )


class Browser:
    """Walks the tree of one session, level by level, many nodes in a request; raises Unavailable.

    `namespaces` gives the index of each namespace by its URI.
    """

    def __init__(self, requests: Requests, namespaces: Mapping[str, int]) -> None:
        self._requests = requests
        self._uris = {index: uri for uri, index in namespaces.items()}

    async def tree(
        self, *, depth: int, most: int, root: ua.NodeId | None = None, above: tuple[Step, ...] | None = ()
    ) -> list[Found]:
        """Give what lies below a node, else below Objects, `depth` levels deep, at most `most` nodes.

        `above` is the browse path of that node, None where it is not known.
        """
        top = Found(address="", path=tuple(one.name for one in above or ()), variable=False, steps=above or ())
        level: list[tuple[ua.NodeId, Found]] = [(root or _id(ObjectIds.ObjectsFolder), top)]
        seen = {level[0][0], *_SKIPPED}
        variables: list[tuple[ua.NodeId, Found]] = []
        properties: list[tuple[ua.NodeId, Found]] = []
        for deep in range(depth + 1):
            below: list[tuple[ua.NodeId, Found]] = []
            for (_, parent), references in zip(level, await self._children([node for node, _ in level]), strict=True):
                properties += [(one.NodeId, parent) for one in references if one.BrowseName.Name in {_UNIT, _RANGE}]
                new = [one for one in references if one.NodeId not in seen and not _is_property(one)]
                names = Counter(_name(one) for one in references)
                placed = bool(parent.steps) or (parent is top and above is not None)
                for one in new[: max(0, most + len(_SKIPPED) - len(seen) + 1)] if deep < depth else ():
                    seen.add(one.NodeId)
                    found = self._found(one, parent, placed=placed and names[_name(one)] == 1)
                    parent.children.append(found)
                    below.append((one.NodeId, found))
            variables += [(node, found) for node, found in below if found.variable]
            level = below
        await self._describe(variables)
        await self._measure(properties)
        await self._quantify([(node, found) for node, found in variables if found.unit is not None])
        await self._look_up(variables)
        return top.children

    async def subtypes(self, kind: ua.NodeId) -> frozenset[str]:
        """Give the addresses of a type and of all its subtypes."""
        level, known = [kind], {kind}
        while level:
            found = await self._requests.browse(level, reference=ObjectIds.HasSubtype)
            level = [one.NodeId for references in found for one in references if one.NodeId not in known]
            known.update(level)
        return frozenset(self._address(one) for one in known)

    def _address(self, node: ua.NodeId) -> str:
        return str(NodeAddress(uri=self._uris.get(node.NamespaceIndex, ""), identifier=node.Identifier))

    def _found(self, one: ua.ReferenceDescription, parent: Found, *, placed: bool) -> Found:
        name = one.BrowseName.Name or ""
        step = Step(uri=self._uris.get(one.BrowseName.NamespaceIndex, ""), name=name)
        return Found(
            address=self._address(one.NodeId),
            path=(*parent.path, name),
            variable=one.NodeClass == ua.NodeClass.Variable,
            steps=(*parent.steps, step) if placed and name else (),
            type_definition=self._address(one.TypeDefinition),
        )

    async def _children(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        return await self._requests.browse(nodes, reference=ObjectIds.HierarchicalReferences, classes=_MASK)

    async def _describe(self, variables: Sequence[tuple[ua.NodeId, Found]]) -> None:
        nodes = [node for node, _ in variables]
        levels = await self._requests.read(nodes, AttributeIds.UserAccessLevel)
        types = await self._requests.read(nodes, AttributeIds.DataType)
        ranks = await self._requests.read(nodes, AttributeIds.ValueRank)
        words = await self._requests.read(nodes, AttributeIds.Description)
        own = list({kind for kind in types if isinstance(kind, ua.NodeId) and kind.NamespaceIndex})
        names = dict(zip(own, await self._requests.read(own, AttributeIds.BrowseName), strict=True))
        for (_, found), level, kind, rank, word in zip(variables, levels, types, ranks, words, strict=True):
            bits = level if isinstance(level, int) else 0
            found.readable, found.writable = bool(bits & _READABLE), bool(bits & _WRITABLE)
            found.history = bool(bits & _HISTORY)
            found.type = _type_name(kind, names) + ("[]" if isinstance(rank, int) and rank >= 0 else "")
            found.description = (word.Text or "") if isinstance(word, ua.LocalizedText) else ""

    async def _measure(self, properties: Sequence[tuple[ua.NodeId, Found]]) -> None:
        values = await self._requests.read([node for node, _ in properties], AttributeIds.Value)
        for (_, found), value in zip(properties, values, strict=True):
            match value:
                case ua.EUInformation():
                    found.unit = ucum(value.UnitId, value.DisplayName.Text or value.Description.Text)
                case ua.Range():
                    found.low, found.high = value.Low, value.High

    async def _quantify(self, measured: Sequence[tuple[ua.NodeId, Found]]) -> None:
        """Ask what is measured, of a server that knows quantities (OPC 10000-8, 6.4)."""
        (known,) = await self._requests.read([_id(ObjectIds.Quantities)], AttributeIds.BrowseName)
        if known is None:
            return
        quantities = await self._requests.browse([node for node, _ in measured], reference=ObjectIds.HasQuantity)
        for (_, found), references in zip(measured, quantities, strict=True):
            if references:
                found.quantity = references[0].DisplayName.Text or references[0].BrowseName.Name

    async def _look_up(self, variables: Sequence[tuple[ua.NodeId, Found]]) -> None:
        """Ask for the entries of dictionaries that say what a variable is (OPC 10000-19, 5.5.2).

        The browse name of such an entry is its IRDI or URI, and its display name may be the property's.
        """
        (known,) = await self._requests.read([_id(ObjectIds.HasDictionaryEntry)], AttributeIds.BrowseName)
        if known is None:
            return
        entries = await self._requests.browse([node for node, _ in variables], reference=ObjectIds.HasDictionaryEntry)
        for (_, found), references in zip(variables, entries, strict=True):
            if references:
                found.semantic_id, shown = references[0].BrowseName.Name, references[0].DisplayName.Text
                if found.quantity is None and shown != found.semantic_id:
                    found.quantity = shown


def _name(one: ua.ReferenceDescription) -> tuple[int, str | None]:
    return one.BrowseName.NamespaceIndex, one.BrowseName.Name


def _is_property(one: ua.ReferenceDescription) -> bool:
    return bool(one.TypeDefinition == _id(ObjectIds.PropertyType))


def _type_name(kind: object, names: dict[ua.NodeId, object]) -> str:
    if not isinstance(kind, ua.NodeId):
        return ""
    if kind.NamespaceIndex == 0 and isinstance(kind.Identifier, int):
        return ObjectIdNames.get(kind.Identifier, str(kind.Identifier))
    name = names.get(kind)
    return (name.Name or "") if isinstance(name, ua.QualifiedName) else str(kind.Identifier)


def _id(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number))


_SKIPPED: Final = frozenset(_id(number) for number in _OF_THE_SERVER)


def variables(nodes: Iterable[Found]) -> list[Found]:
    """Give the variables of a tree, in its order."""
    found: list[Found] = []
    for node in nodes:
        found += [node] if node.variable else []
        found += variables(node.children)
    return found
