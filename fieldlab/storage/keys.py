"""Credentials: issuing and revoking API keys, and turning a presented one into a right to read."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from fieldlab.ownership.scope import Credential, ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.transaction import BIND, reached

PREFIX: Final = "flk_"

_MOST_STREAMS: Final = 1000
_READING: Final = frozenset({Permission.DATA_READ, Permission.DATA_LIVE})
"""What a key may do that is limited to streams."""

_ISSUE: Final = text(
    """
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, streams)
    SELECT id, :principal, :digest, :permissions, :expires_at, CAST(:streams AS integer[])
    FROM fieldlab.participant WHERE slug = :participant
    RETURNING id
    """
)
"""Makes a key of a participant."""

_STREAMS: Final = text(
    """
    SELECT a.slug || '.' || s.name AS reference, s.id
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
    WHERE a.slug || '.' || s.name = ANY (:references)
    """
)
"""Streams by reference."""

_LIST: Final = text(
    """
    SELECT c.id, p.slug AS participant, c.principal, c.permissions, c.created_at, c.expires_at, c.revoked_at, c.used_at,
           c.issued_by,
           CASE WHEN c.streams IS NOT NULL THEN ARRAY(
               SELECT a.slug || '.' || s.name FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
               WHERE s.id = ANY (c.streams) ORDER BY 1) END AS streams
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
    """An API key as it is listed; the token itself is kept nowhere. `issued_by` is the key it was made with, if any.

    `streams` are the references of what it is limited to, None where it is not.
    """

    id: UUID
    participant: str
    principal: str
    permissions: tuple[Permission, ...]
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    used_at: Instant | None
    issued_by: UUID | None
    streams: tuple[str, ...] | None


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
    streams: Collection[str] | None = None,
) -> IssuedKey:
    """Make a key for a principal of a participant, limited to streams, by reference, where some are given.

    Raises NotFound for a participant or stream that is not there, InvalidInput for a limit that is none.
    """
    limitable(permissions, streams)
    token = PREFIX + secrets.token_urlsafe(32)
    id_ = connection.scalar(
        _ISSUE,
        {
            "participant": participant,
            "principal": principal,
            "digest": sha256(Credential.of(token).digest).digest(),
            "permissions": sorted(permissions),
            "expires_at": expires_at,
            "streams": None if streams is None else _known(connection, streams),
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
        streams=None if row.streams is None else tuple(row.streams),
    )


def limitable(permissions: Iterable[Permission], streams: Collection[str] | None) -> None:
    """Raise InvalidInput for a limit to no stream, or to too many, or of a key that does more than read."""
    if streams is None:
        return
    if not 1 <= len(streams) <= _MOST_STREAMS:
        raise InvalidInput(f"Limit a key to one stream at least and {_MOST_STREAMS} at most, or not at all.")
    beyond = sorted(set(permissions) - _READING)
    if beyond:
        raise InvalidInput(f"A key that is limited to streams only reads; leave {', '.join(beyond)} out.")


def _known(connection: Connection, references: Collection[str]) -> list[int]:
    found = {row.reference: row.id for row in connection.execute(_STREAMS, {"references": [*references]})}
    missing = [one for one in references if one not in found]
    if missing:
        raise NotFound(f"There is no stream {missing[0]!r}; write it as asset.stream, such as mill-1.spindle_current.")
    return sorted(found.values())


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
