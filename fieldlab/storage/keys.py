"""Credentials: issuing and revoking API keys, and turning a presented one into a right to read."""

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import NotFound, Unauthenticated, Unavailable
from fieldlab.ownership.scope import Credential, ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.transaction import BIND, reached

PREFIX: Final = "flk_"

_ISSUE: Final = text(
    """
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at)
    SELECT id, :principal, :digest, :permissions, :expires_at FROM fieldlab.participant WHERE slug = :participant
    RETURNING id
    """
)
_LIST: Final = text(
    """
    SELECT c.id, p.slug AS participant, c.principal, c.permissions, c.created_at, c.expires_at, c.revoked_at, c.used_at,
           c.issued_by
    FROM fieldlab.credential AS c JOIN fieldlab.participant AS p ON p.id = c.participant_id
    WHERE CAST(:participant AS text) IS NULL OR p.slug = :participant
    ORDER BY c.created_at, c.id
    """
)
_REVOKE: Final = text("UPDATE fieldlab.credential SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL")
_CURSOR_KEY: Final = text("SELECT visible.cursor_key()")
_NOTE_USE: Final = text("SELECT visible.note_use(:digest)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An API key as it is listed; the token itself is kept nowhere. `issued_by` is the key it was made with, if any."""

    id: UUID
    participant: str
    principal: str
    permissions: tuple[Permission, ...]
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    used_at: Instant | None
    issued_by: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedKey:
    """A new key; `token` is shown once, here."""

    id: UUID
    token: str = field(repr=False)


def issue(
    connection: Connection,
    *,
    participant: str,
    principal: str,
    permissions: frozenset[Permission],
    expires_at: Instant,
) -> IssuedKey:
    """Make a key for a principal of a participant; raises NotFound if there is no such participant."""
    token = PREFIX + secrets.token_urlsafe(32)
    id_ = connection.scalar(
        _ISSUE,
        {
            "participant": participant,
            "principal": principal,
            "digest": sha256(Credential.of(token).digest).digest(),
            "permissions": sorted(permissions),
            "expires_at": expires_at,
        },
    )
    if id_ is None:
        raise NotFound(f"There is no participant {participant!r}; declare it in lab.yaml and run fieldlab apply.")
    return IssuedKey(id=id_, token=token)


def listed(connection: Connection, *, participant: str | None = None) -> list[Key]:
    """List the keys of one participant, or of all, oldest first."""
    return [key_of(row) for row in connection.execute(_LIST, {"participant": participant})]


def key_of(row: Row[Any]) -> Key:
    """Give a key as the database tells of it."""
    return Key(
        id=row.id,
        participant=row.participant,
        principal=row.principal,
        permissions=tuple(Permission(name) for name in row.permissions),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
        issued_by=row.issued_by,
    )


def revoke(connection: Connection, key: UUID) -> None:
    """Make a key void from now on, and all that were made with it; raises NotFound if there is none that is valid."""
    if connection.execute(_REVOKE, {"id": key}).rowcount == 0:
        raise NotFound(f"There is no valid key {key}; fieldlab key list shows them.")


async def authenticate(engine: AsyncEngine, token: str) -> ReadScope:
    """Turn a bearer token into the right to read; raises Unauthenticated for a wrong, expired or revoked one.

    Raises Unavailable if the database cannot be reached. The only place that makes a ReadScope.
    """
    credential = Credential.of(token)
    with reached():
        async with engine.begin() as connection:
            row = (await connection.execute(BIND, {"digest": credential.digest})).one_or_none()
            if row is None:
                raise Unauthenticated("This token is not valid: it is wrong, expired or revoked. Ask for a new key.")
            await connection.execute(_NOTE_USE, {"digest": credential.digest})
    return ReadScope(
        participant=row.participant,
        principal=row.principal,
        permissions=frozenset(Permission(name) for name in row.permissions),
        key=row.key,
        expires_at=row.expires_at,
        credential=credential,
    )


async def cursor_key(engine: AsyncEngine) -> bytes:
    """Give the key that marks page cursors, the same for every process of the lab.

    Raises Unavailable if the database cannot be reached, or holds no lab yet.
    """
    try:
        with reached():
            async with engine.connect() as connection:
                return bytes(await connection.scalar(_CURSOR_KEY))
    except ProgrammingError as error:
        raise Unavailable("The database holds no lab that this user may read; run fieldlab migrate.") from error.orig
