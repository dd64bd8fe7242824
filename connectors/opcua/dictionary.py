"""What a server says of its own types: names of enumerations, fields of structures (OPC 10000-3, 8.48)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from connectors.opcua.requests import Requests, node_id
from connectors.opcua.structure import EXTENSION, VARIANT, Definition, Enumeration, Field, Layout, Types
from connectors.opcua.value import NodeKey

_BUILT_IN: Final = 25
_ENUMERATION: Final = 29
_STRUCTURE: Final = 22
_BASE: Final = {24: VARIANT, _STRUCTURE: EXTENSION, 26: VARIANT, 27: VARIANT, 28: VARIANT, _ENUMERATION: 6}
"""Abstract data types by the built-in type that their values are written as (OPC 10000-6, 5.1.6)."""
_WHOLE_NUMBERS: Final = frozenset({3, 4, 5, 6, 7, 8, 9, 2, 26, 27, 28})
_DEEPEST: Final = 16
_NAMES: Final = ("EnumStrings", "EnumValues")


class Dictionary:
    """The types of one server, learned as they are met; its methods raise Unavailable when the connection fails.

    What a server does not tell is not asked for again.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.types = Types()
        self._enumerations: dict[NodeKey, Enumeration | None] = {}
        self._names: dict[NodeKey, str] = {}
        self._above: dict[NodeKey, NodeKey | None] = {}

    async def enumerations(self, nodes: Mapping[str, ua.NodeId]) -> dict[str, Enumeration]:
        """Give the names of the numbers that these variables hold, for those whose numbers have names."""
        kinds = await self._requests.read(list(nodes.values()), AttributeIds.DataType)
        types = {text: key_of(kind) for text, kind in zip(nodes, kinds, strict=True) if isinstance(kind, ua.NodeId)}
        await self._learn_enumerations({key for key in types.values() if not _is_built_in(key)})
        named = {text: names for text, key in types.items() if (names := self._enumerations.get(key)) is not None}
        discrete = {
            text: nodes[text] for text, key in types.items() if key.namespace == 0 and key.identifier in _WHOLE_NUMBERS
        }
        return named | await self._discrete(discrete)

    async def names(self, types: Iterable[NodeKey]) -> Mapping[NodeKey, str]:
        """Give the browse names of types, of all that were ever asked for."""
        new = [key for key in types if key not in self._names]
        found = await self._requests.read([node_id(key) for key in new], AttributeIds.BrowseName)
        for key, name in zip(new, found, strict=True):
            self._names[key] = (name.Name or "") if isinstance(name, ua.QualifiedName) else str(key.identifier)
        return self._names

    async def learn(self, encodings: Iterable[NodeKey]) -> None:
        """Learn the structures that are written in these ways, and those that they are made of."""
        asked = list(encodings)
        owners = await self._targets([node_id(one) for one in asked], ObjectIds.HasEncoding, forward=False)
        owned = dict(zip(asked, owners, strict=True))
        # Some servers write the data type's own identifier where that of the encoding belongs.
        await self._define({owned[one][0] if owned[one] else one for one in asked}, 0)
        for one in asked:
            key = owned[one][0] if owned[one] else one
            self.types.encodings[one] = key if key in self.types.definitions else None

    async def _discrete(self, nodes: Mapping[str, ua.NodeId]) -> dict[str, Enumeration]:
        """Give the names of the numbers of variables that bring them along (OPC 10000-8, 5.3.3.3)."""
        if not nodes:
            return {}
        texts = [(text, name) for text in nodes for name in _NAMES]
        found = await self._requests.translate(
            [(nodes[text], ((0, name),)) for text, name in texts], reference=ObjectIds.HasProperty
        )
        there = [(text, targets[0]) for (text, _), targets in zip(texts, found, strict=True) if targets]
        values = await self._requests.read([node for _, node in there], AttributeIds.Value)
        named = ((text, _names_in(value)) for (text, _), value in zip(there, values, strict=True))
        return {text: names for text, names in named if names is not None}

    async def _learn_enumerations(self, keys: Iterable[NodeKey]) -> None:
        new = [key for key in keys if key not in self._enumerations]
        if not new:
            return
        definitions = await self._requests.read([node_id(key) for key in new], AttributeIds.DataTypeDefinition)
        untold: list[NodeKey] = []
        for key, definition in zip(new, definitions, strict=True):
            self._enumerations[key] = None
            if isinstance(definition, ua.EnumDefinition):
                self._enumerations[key] = Enumeration(
                    names={int(one.Value): one.Name or str(one.Value) for one in definition.Fields or ()}
                )
            elif not isinstance(definition, ua.StructureDefinition):
                untold.append(key)
        if untold:
            found = await self._requests.translate(
                [(node_id(key), ((0, name),)) for key in untold for name in _NAMES], reference=ObjectIds.HasProperty
            )
            owners = [key for key in untold for _ in _NAMES]
            there = [(key, targets[0]) for key, targets in zip(owners, found, strict=True) if targets]
            values = await self._requests.read([node for _, node in there], AttributeIds.Value)
            for (key, _), value in zip(there, values, strict=True):
                self._enumerations[key] = _names_in(value) or self._enumerations[key]

    async def _define(self, keys: Iterable[NodeKey], deep: int) -> None:
        """Learn the definitions of data types, and of those of their fields."""
        new = [key for key in keys if key not in self.types.definitions and not _is_built_in(key)]
        if not new or deep > _DEEPEST:
            return
        read = await self._requests.read([node_id(key) for key in new], AttributeIds.DataTypeDefinition)
        told = {key: one for key, one in zip(new, read, strict=True) if isinstance(one, ua.StructureDefinition)}
        inner = {key_of(one.DataType) for definition in told.values() for one in definition.Fields or ()}
        await self._learn_enumerations({key for key in inner if not _is_built_in(key)})
        written = {key: await self._written_as(key) for key in inner}
        for key, definition in told.items():
            self.types.definitions[key] = Definition(
                layout=Layout(int(definition.StructureType)),
                fields=tuple(_field(one, written) for one in definition.Fields or ()),
            )
        await self._define({kind for kind in written.values() if isinstance(kind, NodeKey)}, deep + 1)

    async def _written_as(self, key: NodeKey) -> int | Enumeration | NodeKey:
        """Give how values of a data type are written: as a built-in type, a named number, or a structure of its own."""
        names = self._enumerations.get(key)
        if names is not None:
            return names
        above: NodeKey | None = key
        for _ in range(_DEEPEST):
            if above is None:
                break
            if above.namespace == 0 and isinstance(above.identifier, int):
                if above.identifier == _STRUCTURE and above != key:
                    return key
                if above.identifier in _BASE:
                    return _BASE[above.identifier]
                if above.identifier <= _BUILT_IN:
                    return above.identifier
            if above not in self._above:
                (found,) = await self._targets([node_id(above)], ObjectIds.HasSubtype, forward=False)
                self._above[above] = found[0] if found else None
            above = self._above[above]
        return key

    async def _targets(self, nodes: Sequence[ua.NodeId], reference: int, *, forward: bool) -> list[list[NodeKey]]:
        found = await self._requests.browse(nodes, reference=reference, forward=forward)
        return [[key_of(one.NodeId) for one in references] for references in found]


def key_of(node: ua.NodeId) -> NodeKey:
    """Give a NodeId as the decoder writes it."""
    return NodeKey(node.NamespaceIndex, node.Identifier)


def _is_built_in(key: NodeKey) -> bool:
    return key.namespace == 0 and isinstance(key.identifier, int) and key.identifier <= _BASE_LAST


_BASE_LAST: Final = 29


def _field(one: ua.StructureField, written: Mapping[NodeKey, int | Enumeration | NodeKey]) -> Field:
    return Field(
        name=one.Name or "", type=written[key_of(one.DataType)], rank=int(one.ValueRank), optional=bool(one.IsOptional)
    )


def _names_in(value: object) -> Enumeration | None:
    """Read EnumStrings or EnumValues (OPC 10000-3, 5.8.3)."""
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(one, ua.LocalizedText) for one in value):
        return Enumeration(names={number: one.Text or str(number) for number, one in enumerate(value)})
    if all(isinstance(one, ua.EnumValueType) for one in value):
        return Enumeration(names={int(one.Value): one.DisplayName.Text or str(one.Value) for one in value})
    return None
