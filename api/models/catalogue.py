"""Participants, assets and streams, as answers show them."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from api.field import OpenMoment
from fieldlab.assets import asset as assets
from fieldlab.assets import participant as participants
from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.participant import Permission, Role
from fieldlab.ownership.scope import ReadScope


class Me(BaseModel):
    """Who the key speaks for."""

    participant: Annotated[str, Field(examples=["sme-a"])]
    principal: Annotated[str, Field(description="The person or service that holds the key.")]
    scopes: Annotated[list[Permission], Field(description="What the key allows.")]
    key: Annotated[UUID, Field(description="The key's id; revoking takes this.")]
    expires_at: OpenMoment
    streams: Annotated[
        list[str] | None, Field(description="What the key is limited to; null where it is not.", examples=[None])
    ]

    @classmethod
    def of(cls, scope: ReadScope, limit: Sequence[str] | None) -> Self:
        """Show a right to read, and the streams to which it is limited."""
        return cls(
            participant=scope.participant,
            principal=scope.principal,
            scopes=sorted(scope.permissions),
            key=scope.key,
            expires_at=scope.expires_at,
            streams=None if limit is None else [*limit],
        )


class Participant(BaseModel):
    """An organisation in the field lab."""

    slug: Annotated[str, Field(examples=["sme-a"])]
    name: str
    role: Role

    @classmethod
    def of(cls, participant: participants.Participant) -> Self:
        """Show a participant."""
        return cls(slug=participant.slug, name=participant.name, role=participant.role)


class Asset(BaseModel):
    """A machine or device."""

    slug: Annotated[str, Field(examples=["mill-1"])]
    name: str
    home_owner: Annotated[str, Field(description="The participant who owns what nobody has booked.")]
    nature: Nature
    place: Annotated[str, Field(description="Where it stands, in words.", examples=["hall 2, bay 4"])]
    description: str

    @classmethod
    def of(cls, asset: assets.Asset) -> Self:
        """Show an asset."""
        return cls(
            slug=asset.slug,
            name=asset.name,
            home_owner=asset.home_owner,
            nature=asset.nature,
            place=asset.place,
            description=asset.description,
        )


class Stream(BaseModel):
    """One measured quantity of an asset."""

    id: UUID
    reference: Annotated[
        str, Field(description="Can stand for the id everywhere.", examples=["mill-1.spindle_current"])
    ]
    asset: Annotated[str, Field(examples=["mill-1"])]
    name: Annotated[str, Field(examples=["spindle_current"])]
    kind: Annotated[Kind, Field(description="Booleans are given as 0 and 1.")]
    unit: Annotated[str, Field(description="UCUM code; `1` where there is none.", examples=["A"])]
    quantity: str
    semantic_id: Annotated[str | None, Field(description="An IRI that says what is measured.")]
    description: str
    nature: Nature
    first: Annotated[OpenMoment | None, Field(description="Time of the oldest measurement that you may see.")]
    last: Annotated[OpenMoment | None, Field(description="Time of the newest measurement that you may see.")]
    rate: Annotated[
        float | None,
        Field(
            description="Measurements a second, by the usual distance between the newest that you may see.",
            examples=[1.0],
        ),
    ]

    @classmethod
    def of(cls, stream: assets.Stream) -> Self:
        """Show a stream."""
        return cls(
            id=stream.id,
            reference=stream.reference,
            asset=stream.asset,
            name=stream.name,
            kind=stream.kind,
            unit=stream.unit,
            quantity=stream.quantity,
            semantic_id=stream.semantic_id,
            description=stream.description,
            nature=stream.nature,
            first=stream.first,
            last=stream.last,
            rate=stream.rate,
        )
