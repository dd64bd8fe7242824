"""What the access ledger holds, as values: an entry as it is noted, and as whom it concerns reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from fieldlab.ownership.merkle import EMPTY
from fieldlab.ownership.segment import Segment
from fieldlab.readings.instant import Instant


class AccessKind(StrEnum):
    """What kind of answer an entry of the ledger is about."""

    MEASUREMENTS = "measurements"
    SEGMENTS = "segments"
    GAPS = "gaps"
    LATEST = "latest"
    PREVIEW = "preview"
    LIVE = "live"
    EXPORT = "export"
    TAKE_OUT = "take_out"
    PACKAGE = "package"


class EndKind(StrEnum):
    """How an answer ended: all of it was given, a right ended, or somebody or something broke it off."""

    ANSWERED = "answered"
    CUT = "cut"
    BROKEN = "broken"


class Whose(StrEnum):
    """Which entries of the ledger are wanted: one's own accesses, or those of others to what one owned."""

    MINE = "mine"
    OTHERS = "others"


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """An entry to be noted: what was decided for a request.

    `rows` has the number of rows of each segment, or is None while that is not known: then an `End` follows.
    `question` is what was asked, as JSON values; only who asked reads it.
    """

    kind: AccessKind
    segments: Sequence[Segment]
    rows: Sequence[int] | None = None
    question: Mapping[str, object] = field(default_factory=dict)
    purpose: str | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How an answer that was noted without rows ended, and how many rows of each of its segments had left.

    `reason` is a word such as `agreement.terminated`.
    """

    access: UUID
    rows: Sequence[int]
    kind: EndKind = EndKind.ANSWERED
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The root of the ledger's tree over its first `size` leaves, as hexadecimal digits; see RFC 9162, section 2.1."""

    size: int
    root: str


NOTHING_SEALED: Final = Checkpoint(size=0, root=EMPTY.hex())
"""The checkpoint of a ledger without entries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A sealed entry as one of those whom it concerns reads it; `text` is what is hashed, `said` the same as values."""

    index: int
    sealed_at: Instant
    own: bool
    text: str
    hash: str
    said: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """An answer that was given under an agreement: when it began and ended, and how many rows left under it.

    `rows` and `ended` are None while it is not known.
    """

    access: UUID
    at: Instant
    principal: str
    kind: AccessKind
    purpose: str | None
    outcome: str
    ended: Instant | None
    reason: str | None
    rows: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What had left under an agreement, newest first; `answers` and `rows` count all of it, also what is not listed."""

    departures: tuple[Departure, ...]
    answers: int
    rows: int
