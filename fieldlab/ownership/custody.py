"""What an operator opened in an emergency, and what an owner erased: records that nobody edits."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fieldlab.errors import InvalidInput, InvalidInterval
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import MINUTE, Instant

LONGEST: Final = 60 * MINUTE
"""The most that broken glass stays open, in microseconds."""

_WORDS: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenGlass:
    """The operator's access to what others own, for a reason and until a time; `data` is what it opens."""

    id: UUID
    participant: str
    principal: str
    reason: str
    opened_at: Instant
    closes_at: Instant
    streams: tuple[str, ...]
    data: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """What an owner erased, and how much it was."""

    id: UUID
    at: Instant
    principal: str
    reason: str
    streams: tuple[str, ...]
    data: Interval
    samples: int
    rejects: int
    exports: int


def check_glass(*, reason: str, lasting: int) -> None:
    """Raise InvalidInput for a reason that says nothing, or a time longer than an hour."""
    if len(reason.strip()) < _WORDS:
        raise InvalidInput(f"reason: say why in {_WORDS} letters or more; whose data it is will read it.")
    if not 0 < lasting <= LONGEST:
        raise InvalidInput("lasting: broken glass stays open for an hour at most, such as 30m.")


def check_erasure(data: Interval) -> None:
    """Raise InvalidInterval for a stretch without ends, or off the whole minute."""
    if not (data.start.finite and data.until.finite):
        raise InvalidInterval("An erasure has two ends; give from and until.")
    data.on_whole_minutes()
