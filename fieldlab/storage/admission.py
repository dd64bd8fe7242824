"""Admitting callers whom an issuer knows: their tokens become credentials, on the word of who holds the key for it."""

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import InvalidSettings
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage.transaction import reached

_MAKE: Final = text(
    "INSERT INTO fieldlab.secret (name, value) VALUES ('admission', :value)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
"""Makes the admission key anew."""

_SAID: Final = text(
    "SELECT convert_to(jsonb_build_array(CAST(:digest AS text), CAST(:participant AS text), CAST(:principal AS text),"
    " CAST(:permissions AS text[]), CAST(:until AS bigint))::text, 'UTF8')"
)
"""Writes what is said of a caller as the database will read it, to be marked."""

_ADMIT: Final = text(
    "SELECT visible.admit(:presented, :participant, :principal, CAST(:permissions AS text[]), :until, :mark)"
)
"""Makes a token a credential."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """Whom an issuer's token speaks for, what it allows, and until when."""

    credential: Credential
    participant: str
    principal: str
    permissions: frozenset[Permission]
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class AdmissionKey:
    """The key that a process must hold whose word the database takes; it is in no log and no message."""

    value: bytes = field(repr=False)

    @classmethod
    def read(cls, written: str) -> "AdmissionKey":
        """Read the key as `fieldlab key admission` prints it; raises InvalidSettings."""
        try:
            return cls(bytes.fromhex(written))
        except ValueError:
            raise InvalidSettings(
                "FIELDLAB_API_OIDC_KEY: it is not hexadecimal; take what `fieldlab key admission` prints."
            ) from None


def make_key(connection: Connection) -> str:
    """Make the admission key anew, and give it as it is written in the environment of the query service."""
    value = secrets.token_bytes(32)
    connection.execute(_MAKE, {"value": value})
    return value.hex()


async def admit(engine: AsyncEngine, key: AdmissionKey, caller: Admitted) -> bool:
    """Make a token a credential until it expires; false for a participant that there is not."""
    until = Instant(caller.expires_at - caller.expires_at % SECOND)
    said = {
        "digest": caller.credential.digest.hex(),
        "participant": caller.participant,
        "principal": caller.principal,
        "permissions": sorted(caller.permissions),
        "until": until // SECOND,
    }
    with reached():
        async with engine.begin() as connection:
            message = bytes(await connection.scalar(_SAID, said))
            mark = sha256(key.value + sha256(key.value + message).digest()).digest()
            asked = {**said, "presented": caller.credential.digest, "until": until, "mark": mark}
            return bool(await connection.scalar(_ADMIT, asked))
