"""A field lab as declared in `lab.yaml`: who is there, which machines, what they measure, over which wires."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.name import Slug, StreamName
from fieldlab.assets.participant import Role
from fieldlab.assets.source import Wire


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeclaredParticipant(_Declared):
    """An organisation."""

    name: str
    role: Role = Role.SME


class DeclaredStream(_Declared):
    """One measured quantity; `address` is where the asset's source finds it, if it is bound."""

    unit: Annotated[str, Field(description="UCUM code; 1 where there is none", min_length=1)] = "1"
    quantity: str = ""
    kind: Kind = Kind.NUMBER
    description: str = ""
    semantic_id: str | None = None
    address: str | None = None


class DeclaredAsset(_Declared):
    """A machine or device: its home owner, its streams, and the source that carries them."""

    name: str
    home_owner: Slug
    nature: Nature = Nature.REAL
    description: str = ""
    source: Slug | None = None
    streams: dict[StreamName, DeclaredStream] = {}


class DeclaredSource(_Declared):
    """One MQTT broker or one OPC UA server. Secrets come from the environment, never from this file."""

    wire: Wire
    url: str
    options: dict[str, object] = {}


class Lab(_Declared):
    """The whole declaration; every name that one part uses must be declared in another."""

    participants: dict[Slug, DeclaredParticipant] = {}
    sources: dict[Slug, DeclaredSource] = {}
    assets: dict[Slug, DeclaredAsset] = {}

    @model_validator(mode="after")
    def _names_are_declared(self) -> "Lab":
        for slug, asset in self.assets.items():
            if asset.home_owner not in self.participants:
                raise ValueError(f"assets.{slug}.home_owner: no participant {asset.home_owner!r} is declared")
            if asset.source is not None and asset.source not in self.sources:
                raise ValueError(f"assets.{slug}.source: no source {asset.source!r} is declared")
            bound = [name for name, stream in asset.streams.items() if stream.address is not None]
            if bound and asset.source is None:
                raise ValueError(f"assets.{slug}.streams.{bound[0]}.address: the asset names no source")
        return self

    @model_validator(mode="after")
    def _an_address_feeds_one_stream(self) -> "Lab":
        fed: dict[tuple[str, str], str] = {}
        for slug, asset in self.assets.items():
            for name, stream in asset.streams.items():
                if asset.source is None or stream.address is None:
                    continue
                first = fed.setdefault((asset.source, stream.address), f"{slug}.{name}")
                if first != f"{slug}.{name}":
                    raise ValueError(f"assets.{slug}.streams.{name}.address: {stream.address!r} feeds {first} already")
        return self
