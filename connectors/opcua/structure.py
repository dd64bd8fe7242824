"""What a server's own types look like, and how their values are read (OPC 10000-3, 8.48; 10000-6, 5.2.6); pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from connectors.opcua.binary import INT32, NUMBERS, UINT32, Reader
from connectors.opcua.value import Extension, Malformed, NodeKey, shaped

EXTENSION: Final = 22
VARIANT: Final = 24
_INT32: Final = 6
_DEEPEST: Final = 16


class Layout(Enum):
    """How the fields of a structure follow one another."""

    PLAIN = 0
    OPTIONAL = 1
    UNION = 2
    SUBTYPED = 3
    SUBTYPED_UNION = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Enumeration:
    """The names of an enumeration's numbers."""

    names: Mapping[int, str]

    def name(self, value: object) -> object:
        """Give the name of a number, or of each in an array; a number that has none as its digits."""
        match value:
            case bool() | None:
                return value
            case int():
                return self.names.get(value, str(value))
            case list():
                return [self.name(one) for one in value]
            case _:
                return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field: `type` is a built-in one by number, an enumeration, or the key of another structure's data type."""

    name: str
    type: "int | Enumeration | NodeKey"
    rank: int = -1
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A structure's fields, in order."""

    layout: Layout
    fields: tuple[Field, ...]


class Structure(NamedTuple):
    """A decoded structure: its fields that are there, by name."""

    fields: tuple[tuple[str, object], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Types:
    """The types of one server: definitions by data type, and which data type an encoding belongs to.

    An encoding that was asked for in vain belongs to None.
    """

    definitions: dict[NodeKey, Definition] = field(default_factory=dict)
    encodings: dict[NodeKey, NodeKey | None] = field(default_factory=dict)

    def unknown(self, value: object) -> set[NodeKey]:
        """Give the encodings in a value that nobody has asked the server for."""
        match value:
            case Extension(encoding=encoding, body=body) if body is not None and encoding not in self.encodings:
                return {encoding}
            case list():
                return set().union(*(self.unknown(one) for one in value))
            case Structure(fields=fields):
                return set().union(*(self.unknown(one) for _, one in fields))
            case _:
                return set()

    def resolved(self, value: object) -> object:
        """Decode the structures in a value; what is not known, or holds something else than it should, stays."""
        match value:
            case Extension(encoding=encoding, body=body) if body is not None:
                key = self.encodings.get(encoding)
                if key is None or key not in self.definitions:
                    return value
                try:
                    return self.resolved(self._read(Reader(body), key, 0))
                except Malformed:
                    return value
            case list():
                return [self.resolved(one) for one in value]
            case Structure(fields=fields):
                return Structure(tuple((name, self.resolved(one)) for name, one in fields))
            case _:
                return value

    def _read(self, reader: Reader, key: NodeKey, deep: int) -> Structure:
        definition = self.definitions.get(key)
        if definition is None or deep > _DEEPEST:
            raise Malformed(f"a structure of type {key}, which is not known")
        fields, layout = definition.fields, definition.layout
        match layout:
            case Layout.UNION | Layout.SUBTYPED_UNION:
                choice = reader.unpack(UINT32)
                fields = fields[choice - 1 : choice] if 0 < choice <= len(fields) else ()
            case Layout.OPTIONAL:
                there = reader.unpack(UINT32)
                bits = [one.name for one in fields if one.optional]
                fields = tuple(one for one in fields if not one.optional or there >> bits.index(one.name) & 1)
        loose = layout in {Layout.SUBTYPED, Layout.SUBTYPED_UNION}
        return Structure(tuple((one.name, self._field(reader, one, loose=loose, deep=deep)) for one in fields))

    def _field(self, reader: Reader, one: Field, *, loose: bool, deep: int) -> object:
        read, names = self._element(reader, one, loose=loose, deep=deep)
        if one.rank < 1:
            value = read()
        elif one.rank == 1:
            value = [read() for _ in range(reader.count())]
        else:
            dimensions = [reader.unpack(INT32) for _ in range(reader.count())]
            many = 1
            for size in dimensions:
                many *= max(size, 0)
            if many > len(reader.data):
                raise Malformed(f"a matrix of {many} elements in {len(reader.data)} bytes")
            value = shaped([read() for _ in range(many)], dimensions)
        return names.name(value) if names is not None else value

    def _element(
        self, reader: Reader, one: Field, *, loose: bool, deep: int
    ) -> tuple[Callable[[], object], Enumeration | None]:
        """Give what reads one element of a field, and the names of its numbers."""
        match one.type:
            case Enumeration():
                return partial(reader.unpack, NUMBERS[_INT32]), one.type
            case int():
                return reader.reader_of(one.type), None
            case key:
                if loose and one.optional:  # a subtype may stand here (OPC 10000-6, 5.2.6)
                    return reader.extension, None
                return partial(self._read, reader, key, deep + 1), None
