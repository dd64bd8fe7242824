"""A configured connection to a wire, and which of its addresses feed which streams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fieldlab.assets.asset import Kind

Options = Mapping[str, object]
"""A source's own settings; its connector checks them and names the key that is wrong. Never a secret."""


class Wire(StrEnum):
    """Which connector a source needs."""

    MQTT = "mqtt"
    OPCUA = "opcua"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One MQTT broker or one OPC UA server, as configured. `url` holds no secret."""

    id: int
    slug: str
    wire: Wire
    url: str
    options: Options = field(default_factory=dict)


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
