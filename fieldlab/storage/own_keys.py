"""Keys as their own participant manages them: listing, issuing within one's own, revoking."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, FieldlabError, Forbidden, InvalidInput, NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.attempts import changed
from fieldlab.storage.catalogue import resolve
from fieldlab.storage.keys import PREFIX, IssuedKey, Key, key_of, limitable
from fieldlab.storage.transaction import Bound, reading

_LIST: Final = text(
    """
    SELECT * FROM visible.key
    WHERE CAST(:after AS timestamptz) IS NULL OR (created_at, id) < (CAST(:after AS timestamptz), CAST(:id AS uuid))
    ORDER BY created_at DESC, id DESC LIMIT :limit
    """
)
"""The participant's keys, newest first."""

_ONE: Final = text("SELECT * FROM visible.key WHERE id = :id")
"""One of them."""

_ISSUE: Final = text(
    """
    SELECT visible.issue_key(:presented, :made, :principal, CAST(:permissions AS text[]), :expires_at,
                             CAST(:streams AS integer[]))
    """
)
"""Makes a key within the one that is presented."""

_REVOKE: Final = text("SELECT visible.revoke_key(:presented, :id)")
"""Makes a key void, with those that were made with it; gives since when."""

_BUSY: Final = "Your keys are being changed by others at this moment; try again."
_NO_MORE: Final = "A key makes and revokes only keys that allow no more than itself; take one with more scopes."
_MANY: Final = "A thousand keys of your participant are valid; revoke some first."
_DENIED: Final = "42501"
_TOO_MANY: Final = "55000"


async def listed(
    scope: ReadScope, engine: AsyncEngine, *, after: tuple[Instant, UUID] | None = None, limit: int = 100
) -> tuple[Key, ...]:
    """List the participant's keys, valid or not, newest first, from after a place on."""
    at, id_ = after or (None, None)
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_LIST, {"after": at, "id": id_, "limit": limit})
        return tuple(key_of(row) for row in found)


async def one(scope: ReadScope, bound: Bound) -> Key:
    """Give the key that the scope was made of."""
    return key_of((await bound.connection.execute(_ONE, {"id": scope.key})).one())


async def limit(scope: ReadScope, engine: AsyncEngine) -> tuple[str, ...] | None:
    """Give the references of the streams that the scope's own key is limited to; None where it is not."""
    async with reading(scope, engine) as bound:
        return (await one(scope, bound)).streams


async def issue(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    principal: str,
    permissions: frozenset[Permission],
    expires_at: Instant,
    streams: Sequence[str] | None = None,
) -> tuple[Key, IssuedKey]:
    """Make a key of the participant that allows no more than the scope's own and ends with it at the latest.

    With `streams` (references or ids) it is limited to these; without, it has the limit of the key that makes it.
    Raises Forbidden for more scopes, NotFound for a stream that is not there or hidden, InvalidInput for a limit that
    cannot be and for a time that has passed or is too late, Conflict where a thousand are valid already.
    """
    limitable(permissions, streams)
    beyond = sorted(permissions - scope.permissions)
    if beyond:
        raise Forbidden(f"Your key lacks {', '.join(beyond)}; it can make a key with its own scopes only.")
    if not Instant.now() < expires_at <= scope.expires_at:
        raise InvalidInput(f"A key that is made with yours ends in the future, and with yours at {scope.expires_at}.")
    token = PREFIX + secrets.token_urlsafe(32)
    asked = {
        "presented": scope.credential.digest,
        "made": sha256(token.encode()).digest(),
        "principal": principal,
        "permissions": sorted(permissions),
        "expires_at": expires_at,
    }

    async def issuing(bound: Bound) -> Key:
        meant = (await one(scope, bound)).streams if streams is None else streams
        limit = None if meant is None else sorted(stream.key for stream in await resolve(bound, meant))
        id_ = await bound.connection.scalar(_ISSUE, asked | {"streams": limit})
        return key_of((await bound.connection.execute(_ONE, {"id": id_})).one())

    made = await changed(scope, engine, issuing, busy=Conflict(_BUSY), refused=_refused())
    return made, IssuedKey(id=made.id, token=token)


async def revoke(scope: ReadScope, engine: AsyncEngine, id_: UUID) -> Key:
    """Make a key of the participant void at once, and all that were made with it; twice is the same as once.

    Raises NotFound for one that is not there or another's, Forbidden for one that allows more than the scope's own.
    """

    async def revoking(bound: Bound) -> Key:
        row = (await bound.connection.execute(_ONE, {"id": id_})).one_or_none()
        if row is None:
            raise NotFound(f"There is no key {id_}; GET /v1/keys lists yours.")
        since = await bound.connection.scalar(_REVOKE, {"presented": scope.credential.digest, "id": id_})
        return replace(key_of(row), revoked_at=since)

    return await changed(scope, engine, revoking, busy=Conflict(_BUSY), refused=_refused())


def _refused() -> dict[str, FieldlabError]:
    return {_DENIED: Forbidden(_NO_MORE), _TOO_MANY: Conflict(_MANY)}
