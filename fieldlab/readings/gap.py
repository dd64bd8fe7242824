"""A known hole in what a source handed over, with its cause."""

from dataclasses import dataclass
from enum import StrEnum

from fieldlab.readings.instant import Instant


class Cause(StrEnum):
    """What made the hole."""

    SESSION_LOST = "session_lost"
    SUBSCRIPTION_LOST = "subscription_lost"
    QUEUE_OVERFLOW = "queue_overflow"
    SEQUENCE_HOLE = "sequence_hole"
    SOURCE_UNREACHABLE = "source_unreachable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Samples measured in `[start, until)` may be missing at `addresses`; None means every address of the source.

    With `recovered` it says of a gap told before, with the same bounds, that it is closed: so many samples, at each
    of the addresses, were fetched afterwards, and none is missing any more.
    """

    start: Instant
    until: Instant
    cause: Cause
    addresses: tuple[str, ...] | None = None
    recovered: int | None = None
