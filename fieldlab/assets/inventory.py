"""What is in a lab, thing by thing, with nothing left to be worked out: as a file declares or a database holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.participant import Role
from fieldlab.assets.source import Options, Wire
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class ParticipantEntry:
    """An organisation."""

    name: str
    role: Role


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceEntry:
    """A configured connection to a wire."""

    wire: Wire
    url: str
    options: Options


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetEntry:
    """A machine or device; `topics` is what its devices may publish on besides what is bound."""

    name: str
    home_owner: str
    nature: Nature
    place: str
    description: str
    topics: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEntry:
    """One measured quantity of an asset; `low` and `high` are what its sensor can show.

    A live sample that arrives later than `lateness` after it was measured is quarantined; None: the gateway's bound.
    """

    kind: Kind
    unit: str
    quantity: str
    semantic_id: str | None
    description: str
    low: float | None
    high: float | None
    lateness: timedelta | None

    @classmethod
    def of(
        cls,
        kind: Kind,
        unit: str,
        *,
        quantity: str = "",
        semantic_id: str | None = None,
        description: str = "",
        low: float | None = None,
        high: float | None = None,
    ) -> Self:
        """Make one of which no more is known, and of which the gateway's lateness holds."""
        return cls(
            kind=kind,
            unit=unit,
            quantity=quantity,
            semantic_id=semantic_id,
            description=description,
            low=low,
            high=high,
            lateness=None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BindingEntry:
    """The stream that an address feeds, as `asset.stream`."""

    stream: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEntry:
    """A named use case of one participant."""

    participant: str


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Booking:
    """An asset in `[start, until)` for a trial: all of it, or with a name the `stream` alone."""

    trial: str
    asset: str
    stream: str = ""
    start: Instant
    until: Instant

    def __str__(self) -> str:
        """Name it: `tool-wear on mill-1`."""
        return f"{self.trial} on {self.asset}{f'.{self.stream}' if self.stream else ''}"

    def meets(self, other: "Booking") -> bool:
        """Tell whether both are about the same asset and share one of its streams, whenever that is."""
        return self.asset == other.asset and (not self.stream or other.stream in {"", self.stream})


Place = tuple[str, str]
"""A source and an address in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """All things of a lab by name: slugs, `asset.stream` for streams, source and address for bindings."""

    participants: Mapping[str, ParticipantEntry] = field(default_factory=dict)
    sources: Mapping[str, SourceEntry] = field(default_factory=dict)
    assets: Mapping[str, AssetEntry] = field(default_factory=dict)
    streams: Mapping[str, StreamEntry] = field(default_factory=dict)
    bindings: Mapping[Place, BindingEntry] = field(default_factory=dict)
    trials: Mapping[str, TrialEntry] = field(default_factory=dict)
    bookings: tuple[Booking, ...] = ()

    def streams_of(self, asset: str) -> tuple[str, ...]:
        """List the names of an asset's streams."""
        return tuple(name for slug, name in (reference.split(".") for reference in self.streams) if slug == asset)
