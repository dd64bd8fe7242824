"""A configured connection to a wire, and which of its addresses feed which streams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from fieldlab.assets.asset import Kind

Options = Mapping[str, object]
"""A source's own settings; its connector checks them and names the key that is wrong. Never a secret."""


class Wire(StrEnum):
    """Which connector a source needs."""

    MQTT = "mqtt"
    OPCUA = "opcua"


SCHEMES: Final[Mapping[Wire, tuple[str, ...]]] = {Wire.MQTT: ("mqtt", "mqtts"), Wire.OPCUA: ("opc.tcp",)}
"""How the URLs of each wire's sources begin."""

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One MQTT broker or one OPC UA server, as configured. `url` holds no secret."""

    id: int
    slug: str
    wire: Wire
    url: str
    options: Options = field(default_factory=dict)


def broker_address(url: str) -> tuple[str, int | None]:
    """Give host and port of a broker, as far as its URL tells them: two sources with the same are at one broker."""
    try:
        parts = urlsplit(url)
        return parts.hostname or url, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return url, None


def url_fault(wire: Wire, url: str) -> str | None:
    """Say what is wrong with the URL of a source, without repeating it; None where nothing is."""
    schemes = " or ".join(f"{scheme}://host:port" for scheme in SCHEMES[wire])
    try:
        parts = urlsplit(url)
        usable = parts.scheme in SCHEMES[wire] and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return f"it has no usable host or port; write it like {schemes}"
    if "@" in parts.netloc:
        return "it holds a user or password; give the options user, and password_env or password_file"
    if wire is Wire.MQTT and usable and (parts.path not in {"", "/"} or parts.query or parts.fragment):
        return "it ends after the port; topics stand in options.topics"
    return None if usable else f"it is not of the form {schemes}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """Which stream an address of a source feeds; `origin` is what a live sample of it is marked with.

    A sample that arrives later than `lateness` (microseconds) after it was measured is quarantined; None is the
    gateway's own bound.
    """

    address: str
    stream: int
    kind: Kind
    origin: int
    lateness: int | None = None
