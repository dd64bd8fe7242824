"""How an OPC UA value is addressed: a node by the URI of its namespace, and a place inside its array; pure.

`nsu=urn:maker:machine;s=Spindle/Current` is a node (OPC 10000-6, 5.3.1.11, with the URI because namespace indices
change when a server restarts); `nsu=…;s=Axes#2` is the third element of its array.
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
_PLACE: Final = re.compile(r"#\d+(?:\.\d+)*\Z", flags=re.ASCII)
_ESCAPED_URI: Final = re.compile(r"%(3B|25)", flags=re.IGNORECASE)
_ESCAPED: Final = re.compile(r"%(23|25)")
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


def node_of(address: str) -> str:
    """Cut the place inside an array off an address, where it has one."""
    return _PLACE.sub("", address)


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
