"""A known hole in what a source handed over, with its cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fieldlab.readings.instant import SECOND, Instant

EARLIER: Final = 10 * SECOND
"""How far before a gap to begin to look for what is missing, where nobody knows what was heard last before it."""


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
    of the addresses, were fetched afterwards, and none is missing any more. `heard` tells of addresses, as far as it is
    known, when the last sample that came before the gap was measured: by the clock of the source, which need not be the
    one that tells `start`.
    """

    start: Instant
    until: Instant
    cause: Cause
    addresses: tuple[str, ...] | None = None
    recovered: int | None = None
    heard: Mapping[str, Instant] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenGap:
    """A gap at one address that was told, maybe by an earlier process, and that nobody has closed.

    `heard` is when the last sample that came before it was measured, None where that is not known; `known` counts the
    samples behind that, or else behind `EARLIER` than `start`, that are there and were not fetched from a history.
    """

    address: str
    start: Instant
    until: Instant
    cause: Cause
    heard: Instant | None
    known: int
