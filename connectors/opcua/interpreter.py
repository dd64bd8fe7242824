"""What the values of one server mean: numbers get the names, and structures the fields, that the server gave them."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary

from connectors.opcua.dictionary import Dictionary
from connectors.opcua.requests import node_id
from connectors.opcua.structure import Enumeration, Structure
from connectors.opcua.value import Extension, NodeKey, Word

_DEEPEST: Final = 8


class Interpreter:
    """Reads values by a server's own types; `names` holds, by text, those of nodes whose numbers have names."""

    def __init__(self, dictionary: Dictionary, names: Mapping[str, Enumeration]) -> None:
        self._dictionary = dictionary
        self._names = names

    async def learn(self, values: Iterable[object]) -> None:
        """Ask the server for the types in values, as deep as they go; raises Unavailable."""
        types = self._dictionary.types
        left: list[object] = [value for value in values if isinstance(value, (Extension, list))]
        for _ in range(_DEEPEST):
            new = set().union(*(types.unknown(value) for value in left)) if left else set()
            if not new:
                return
            await self._dictionary.learn(new)
            left = [types.resolved(value) for value in left]

    def meaning(self, text: str, value: object) -> object:
        """Give the meaning of a node's value, whose types are learned."""
        if isinstance(value, (Extension, list)):
            value = _standard(self._dictionary.types.resolved(value))
        names = self._names.get(text)
        return value if names is None else names.name(value)


def _standard(value: object) -> object:
    """Read the structures of OPC UA itself that the server does not describe."""
    match value:
        case Extension(encoding=NodeKey(namespace=0) as encoding, body=bytes(body)):
            kind = ua.extension_objects_by_typeid.get(node_id(encoding))
            try:
                return value if kind is None else _plain(from_binary(kind, Buffer(body)))
            except Exception:  # noqa: BLE001 - asyncua may raise anything on bytes that do not fit
                return value
        case list():
            return [_standard(one) for one in value]
        case Structure():
            return Structure(tuple((name, _standard(one)) for name, one in value.fields))
        case _:
            return value


def _plain(value: object) -> object:
    """Turn asyncua's own kind of value into ours."""
    match value:
        case ua.LocalizedText():
            return Word(value.Text)
        case ua.QualifiedName():
            return Word(value.Name)
        case Enum():
            return value.name
        case list():
            return [_plain(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return Structure(tuple((one.name, _plain(getattr(value, one.name))) for one in fields(value)))
        case _:
            return value
