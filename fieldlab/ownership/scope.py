"""A right to read, as a value that one holds."""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from fieldlab.assets.participant import Permission
from fieldlab.errors import Forbidden
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What a caller presents, as the SHA-256 of its bearer token; it is in no log and no message."""

    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, token: str) -> "Credential":
        """Make the credential of a bearer token."""
        return cls(digest=sha256(token.encode()).digest())


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadScope:
    """The right of one principal to read what its participant may see: the first parameter of every read.

    It is made in one place, `fieldlab.storage.keys.authenticate`. It carries the credential because each
    transaction is bound to the participant by the database itself, which checks the credential again.
    """

    participant: str
    principal: str
    permissions: frozenset[Permission]
    key: UUID
    expires_at: Instant
    credential: Credential

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the credential carries the permission."""
        if permission not in self.permissions:
            raise Forbidden(f"This key lacks the scope {permission.value}; ask for a key that has it.")
