"""An export: a large answer made in the background for one participant, and the ticket with which its job reads."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import Instant

PREFIX: Final = "flx_"


class ExportState(StrEnum):
    """Where an export stands; what waits, runs or is ready expires by the clock."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """An export as its participant sees it. `progress` goes from 0 to 1; `question` is what was asked, as JSON text.

    `size` (bytes) and `sha256` (hexadecimal) are those of the finished package; `detail` says why there is none.
    """

    id: UUID
    state: ExportState
    question: str
    requested_at: Instant
    expires_at: Instant
    finished_at: Instant | None
    progress: float
    rows: int
    detail: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """What a job reads with in the name of whoever asked while it waits or runs; only the service's disk has it."""

    token: str = field(repr=False)

    @classmethod
    def fresh(cls) -> "Ticket":
        """Make one that nobody can guess."""
        return cls(token=PREFIX + secrets.token_urlsafe(32))

    @property
    def presented(self) -> bytes:
        """Give what is presented to the database: it binds a transaction."""
        return Credential.of(self.token).digest

    @property
    def mark(self) -> bytes:
        """Give what the database keeps: it binds nothing."""
        return sha256(self.presented).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """An export that a worker has claimed."""

    id: UUID
    ticket: Ticket
    question: str
    requested_at: Instant
    expires_at: Instant
