"""Keys, as they are asked for and shown."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.field import Moment, OpenMoment, Words
from fieldlab.assets.participant import Permission
from fieldlab.storage import keys


class KeyRequest(BaseModel):
    """A key to be made: within the one that asks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    principal: Annotated[
        Words | None,
        Field(description="The person or service that will use it, as the ledger names it; yours without it."),
    ] = None
    scopes: Annotated[
        list[Permission],
        Field(min_length=1, description="What it allows: at most what your own key allows."),
    ]
    streams: Annotated[
        list[Words] | None,
        Field(
            min_length=1,
            max_length=1000,
            description="What it is limited to, by reference or id: every other stream is missing to it. It then only "
            "reads. Without it it reads what your own key reads.",
        ),
    ] = None
    expires_at: Annotated[
        Moment | None,
        Field(description="When it ends: with your own key at the latest, which is what holds without it."),
    ] = None


class Key(BaseModel):
    """A key of your participant; its token is kept nowhere."""

    id: UUID
    principal: Annotated[str, Field(description="The person or service that uses it.")]
    scopes: list[Permission]
    streams: Annotated[
        list[str] | None, Field(description="What it is limited to; null where it is not.", examples=[None])
    ]
    created_at: OpenMoment
    expires_at: OpenMoment
    revoked_at: Annotated[OpenMoment | None, Field(description="Since when it is void, if it was revoked.")]
    used_at: Annotated[OpenMoment | None, Field(description="When it was last used, to the minute.")]
    issued_by: Annotated[
        UUID | None, Field(description="The key it was made with, and is revoked with; null if the operator made it.")
    ]

    @classmethod
    def of(cls, key: keys.Key) -> Self:
        """Show a key."""
        return cls(
            id=key.id,
            principal=key.principal,
            scopes=list(key.permissions),
            streams=None if key.streams is None else [*key.streams],
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            used_at=key.used_at,
            issued_by=key.issued_by,
        )


class NewKey(Key):
    """A key that was made just now, with its token: shown here, once."""

    token: Annotated[str, Field(repr=False, description="Keep it; it is not shown again.", examples=["flk_…"])]
