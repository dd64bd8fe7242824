"""What a server offers: its tree of nodes, with the type, unit, range, access and history of each variable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIdNames, ObjectIds

from connectors.opcua.address import NodeAddress
from connectors.opcua.session import Session, border
from connectors.opcua.units import ucum

_AT_ONCE: Final = 100
_READ: Final = 500
_MASK: Final = ua.NodeClass.Object | ua.NodeClass.Variable
_OF_THE_SERVER: Final = (ObjectIds.Server, ObjectIds.Aliases, ObjectIds.Locations)
_UNIT: Final = "EngineeringUnits"
_RANGE: Final = "EURange"
_READABLE, _WRITABLE, _HISTORY = 0x01, 0x02, 0x04


@dataclass(kw_only=True, slots=True)
class Found:
    """A node: its address, its browse path below Objects, and what it says of itself, as far as it does."""

    address: str
    path: tuple[str, ...]
    variable: bool
    type: str = ""
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    readable: bool = False
    writable: bool = False
    history: bool = False
    description: str = ""
    children: list["Found"] = field(default_factory=list)


class Browser:
    """Walks the tree of one session, level by level, many nodes in a request; raises Unavailable."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._uris: dict[int, str] = {}

    async def tree(self, *, depth: int, most: int) -> list[Found]:
        """Give what lies below Objects, `depth` levels deep, at most `most` nodes."""
        self._uris = {index: uri for uri, index in self._session.namespaces.items()}
        root = Found(address="", path=(), variable=False)
        level: list[tuple[ua.NodeId, Found]] = [(_id(ObjectIds.ObjectsFolder), root)]
        seen = {level[0][0], *_SKIPPED}
        variables: list[tuple[ua.NodeId, Found]] = []
        properties: list[tuple[ua.NodeId, Found]] = []
        for deep in range(depth + 1):
            below: list[tuple[ua.NodeId, Found]] = []
            for (_, above), references in zip(level, await self._children([node for node, _ in level]), strict=True):
                properties += [(one.NodeId, above) for one in references if one.BrowseName.Name in {_UNIT, _RANGE}]
                new = [one for one in references if one.NodeId not in seen and not _is_property(one)]
                for one in new[: max(0, most + len(_SKIPPED) - len(seen) + 1)] if deep < depth else ():
                    seen.add(one.NodeId)
                    found = self._found(one, above)
                    above.children.append(found)
                    below.append((one.NodeId, found))
            variables += [(node, found) for node, found in below if found.variable]
            level = below
        await self._describe(variables)
        await self._measure(properties)
        return root.children

    def _found(self, one: ua.ReferenceDescription, above: Found) -> Found:
        node = one.NodeId
        address = NodeAddress(uri=self._uris.get(node.NamespaceIndex, ""), identifier=node.Identifier)
        path = (*above.path, one.BrowseName.Name or "")
        return Found(address=str(address), path=path, variable=one.NodeClass == ua.NodeClass.Variable)

    async def _children(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        found: list[list[ua.ReferenceDescription]] = []
        for at in range(0, len(nodes), _AT_ONCE):
            asked = [
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=_id(ObjectIds.HierarchicalReferences),
                    IncludeSubtypes=True,
                    NodeClassMask=_MASK,
                    ResultMask=ua.BrowseResultMask.All,
                )
                for node in nodes[at : at + _AT_ONCE]
            ]
            with border():
                results = await self._session.services.browse(
                    ua.BrowseParameters(RequestedMaxReferencesPerNode=0, NodesToBrowse=asked)
                )
            for result in results:
                references = list(result.References or ())
                mark = result.ContinuationPoint
                while mark:
                    with border():
                        (more,) = await self._session.services.browse_next(
                            ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[mark])
                        )
                    references += more.References or ()
                    mark = more.ContinuationPoint
                found.append(references)
        return found

    async def _describe(self, variables: Sequence[tuple[ua.NodeId, Found]]) -> None:
        nodes = [node for node, _ in variables]
        levels = await self._read(nodes, AttributeIds.UserAccessLevel)
        types = await self._read(nodes, AttributeIds.DataType)
        ranks = await self._read(nodes, AttributeIds.ValueRank)
        words = await self._read(nodes, AttributeIds.Description)
        own = list({kind for kind in types if isinstance(kind, ua.NodeId) and kind.NamespaceIndex})
        names = dict(zip(own, await self._read(own, AttributeIds.BrowseName), strict=True))
        for (_, found), level, kind, rank, word in zip(variables, levels, types, ranks, words, strict=True):
            bits = level if isinstance(level, int) else 0
            found.readable, found.writable = bool(bits & _READABLE), bool(bits & _WRITABLE)
            found.history = bool(bits & _HISTORY)
            found.type = _type_name(kind, names) + ("[]" if isinstance(rank, int) and rank >= 0 else "")
            found.description = (word.Text or "") if isinstance(word, ua.LocalizedText) else ""

    async def _measure(self, properties: Sequence[tuple[ua.NodeId, Found]]) -> None:
        values = await self._read([node for node, _ in properties], AttributeIds.Value)
        for (_, found), value in zip(properties, values, strict=True):
            match value:
                case ua.EUInformation():
                    found.unit = ucum(value.UnitId, value.DisplayName.Text)
                case ua.Range():
                    found.low, found.high = value.Low, value.High

    async def _read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[object]:
        found: list[object] = []
        for at in range(0, len(nodes), _READ):
            with border():
                values = await self._session.services.read_attributes(list(nodes[at : at + _READ]), attribute)
            found += [value.Value.Value if value.Value is not None else None for value in values]
        return found


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
