"""How an OPC UA value is addressed: a node, by its identifier or its browse path, and a place in its value; pure.

`nsu=urn:maker:machine;s=Spindle/Current` is a node (OPC 10000-6, 5.3.1.11, with the URI because namespace indices
change when a server restarts); `path=nsu=urn:maker:machine;Mill/Spindle/Current` is found by the names on the way from
Objects. `…#2` is the third element of its array, `…#Torque` a field of its structure, and `…#!Overheated.Severity` a
field of an event whose source it is.
"""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Final

from fieldlab.errors import InvalidName

OPC_UA: Final = "http://opcfoundation.org/UA/"
"""The namespace that needs no naming; its index is always 0."""

Identifier = int | str | uuid.UUID | bytes

_NODE: Final = re.compile(r"(?:nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<identifier>.+)", flags=re.DOTALL)
_PLACE: Final = re.compile(r"#[^#;]*\Z")
_PATH: Final = "path="
_STEP: Final = re.compile(r"(?:nsu=(?P<uri>[^;]+);)?(?P<name>[^/;]+)(?:/|\Z)")
_ESCAPED_URI: Final = re.compile(r"%(3B|25)", flags=re.IGNORECASE)
_ESCAPED: Final = re.compile(r"%(23|25)")
_ESCAPED_NAME: Final = re.compile(r"%(23|25|2F|3B)", flags=re.IGNORECASE)
_LARGEST: Final = 2**32 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAddress:
    """A node, by the URI of its namespace and its identifier there."""

    uri: str
    identifier: Identifier

    @classmethod
    def parse(cls, text: str) -> "NodeAddress":
        """Read the address of a node; raises InvalidName that says how to write it."""
        match = _NODE.fullmatch(text)
        if match is None:
            raise InvalidName(
                f"The address {text[:80]!r} names no node; write it like nsu=urn:maker:machine;s=Spindle/Current "
                "(the URI of the namespace, because its index changes)."
            )
        uri = _ESCAPED_URI.sub(_unescaped, match["uri"]) if match["uri"] else OPC_UA
        try:
            return cls(uri=uri, identifier=_identifier(match["kind"], match["identifier"]))
        except (ValueError, binascii.Error):
            raise InvalidName(
                f"The address {text[:80]!r} has no identifier of its kind; i= takes a number below 2^32, s= a text, "
                "g= a GUID and b= Base64."
            ) from None

    def __str__(self) -> str:
        """Write it as `parse` reads it; the OPC UA namespace is left out."""
        uri = "" if self.uri == OPC_UA else f"nsu={self.uri.replace('%', '%25').replace(';', '%3B')};"
        match self.identifier:
            case int():
                return f"{uri}i={self.identifier}"
            case str():
                return f"{uri}s={_escape(self.identifier)}"
            case uuid.UUID():
                return f"{uri}g={self.identifier}"
            case bytes():
                return f"{uri}b={base64.b64encode(self.identifier).decode()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A browse name: the URI of its namespace, and the name."""

    uri: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PathAddress:
    """A node, by the browse names on the way from Objects."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> "PathAddress":
        """Read the address of a node by its path; a name without a URI has that of the one before.

        Raises InvalidName that says how to write it.
        """
        steps: list[Step] = []
        at, uri = len(_PATH), OPC_UA
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None:
                break
            uri = _ESCAPED_URI.sub(_unescaped, match["uri"]) if match["uri"] else uri
            steps.append(Step(uri=uri, name=_ESCAPED_NAME.sub(_unescaped, match["name"])))
            at = match.end()
        if at < len(text) or not steps or text.endswith("/"):
            raise InvalidName(
                f"The address {text[:80]!r} names no node; write it like "
                "path=nsu=urn:maker:machine;Mill/Spindle/Current, the browse names from Objects on."
            )
        return cls(steps=tuple(steps))

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        written, before = [], OPC_UA
        for step in self.steps:
            name = re.sub(r"%(?=23|25|2F|3B)", "%25", step.name, flags=re.IGNORECASE)
            for letter in "#/;":
                name = name.replace(letter, f"%{ord(letter):02X}")
            uri = "" if step.uri == before else f"nsu={step.uri.replace('%', '%25').replace(';', '%3B')};"
            written.append(f"{uri}{name}")
            before = step.uri
        return _PATH + "/".join(written)


Address = NodeAddress | PathAddress


def parse(text: str) -> Address:
    """Read the address of a node, by identifier or path; raises InvalidName that says how to write it."""
    return PathAddress.parse(text) if text.startswith(_PATH) else NodeAddress.parse(text)


def node_of(address: str) -> str:
    """Cut the place inside a value off an address, where it has one."""
    return _PLACE.sub("", address)


def event_of(address: str) -> str | None:
    """Give what an address names of an event; None for one that names a value."""
    place = address.removeprefix(node_of(address))
    return place[2:] if place.startswith("#!") else None


def _identifier(kind: str, text: str) -> Identifier:
    match kind:
        case "i":
            number = int(text)
            if not text.isascii() or not text.isdecimal() or number > _LARGEST:
                raise ValueError(text)
            return number
        case "g":
            return uuid.UUID(text)
        case "b":
            return base64.b64decode(text, validate=True)
        case _:
            return _ESCAPED.sub(_unescaped, text)


def _escape(identifier: str) -> str:
    """Write `#` as %23, since it begins a place inside an array, and % as %25 where it would be read as an escape."""
    return _ESCAPED.sub(lambda found: f"%25{found[1]}", identifier).replace("#", "%23")


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))
