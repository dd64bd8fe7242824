"""Who is in the lab, what stands in it, and whose it is when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Participant:
    """An organisation in the lab."""

    slug: str
    name: str
    role: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(slug=document["slug"], name=document["name"], role=document["role"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A machine; `nature` is `real` or `simulated`."""

    slug: str
    name: str
    home_owner: str
    nature: str
    place: str
    description: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(**{name: document[name] for name in cls.__slots__})


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenure:
    """Who owns what a stream produces in `[start, until)`; `booked` is False for the home owner's time."""

    stream: str
    owner: str
    start: str
    until: str
    trial: str | None
    booked: bool

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(
            stream=f"{document['asset']}.{document['stream']}",
            owner=document["owner"],
            start=document["from"],
            until=document["until"],
            trial=document["trial"],
            booked=document["booked"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A trial of which you may have something, from when until when; state one of `purposes` where there are any."""

    slug: str
    owner: str
    start: str
    until: str
    assets: tuple[str, ...]
    streams: tuple[str, ...]
    licences: tuple[str, ...]
    purposes: tuple[str, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(
            slug=document["slug"],
            owner=document["owner"],
            start=document["from"],
            until=document["until"],
            assets=tuple(document["assets"]),
            streams=tuple(document["streams"]),
            licences=tuple(document["licences"]),
            purposes=tuple(document["purposes"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A known hole in a stream, within a stretch that you may see: what made it, and whose stretch that is."""

    stream: str
    start: str
    until: str
    cause: str
    owner: str
    trial: str | None
    agreement: str | None
    licence: str | None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        return cls(
            stream=f"{document['asset']}.{document['name']}",
            start=document["from"],
            until=document["until"],
            cause=document["cause"],
            owner=document["owner"],
            trial=document["trial"],
            agreement=document["basis"].get("agreement"),
            licence=document["licence"],
        )
