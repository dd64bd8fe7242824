"""A piece of an answer with one owner and one basis: what the decision yields and every answer carries."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fieldlab.ownership.interval import Interval
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.gap import Cause
from fieldlab.readings.origin import Origin


class BasisKind(StrEnum):
    """Why the reader may see a segment; a preview shows an owner its own data as a grantee would see it.

    With broken glass the operator sees another's data in an emergency; the basis has its id for an agreement's.
    """

    OWN = "own"
    AGREEMENT = "agreement"
    PREVIEW = "preview"
    BREAK_GLASS = "break_glass"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What an agreement does to data before it is given; durations in microseconds, 0 and None for nothing."""

    resolution_floor: int | None = None
    minimum_samples: int | None = None
    aggregates: tuple[Aggregate, ...] | None = None
    embargo: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """The ground of a right to read one segment: for an agreement its id, the SHA-256 of its text, and its terms."""

    kind: BasisKind
    agreement: UUID | None = None
    hash: str | None = None
    licence: str | None = None
    shape: Shape = Shape()


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentGap:
    """A known hole within a segment."""

    interval: Interval
    cause: Cause


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One stretch of one stream with one owner and one basis, numbered within its answer.

    `tenure` is the database's key of the tenure it was cut from; `origins` are those of the data in it,
    None where they are not known yet.
    """

    number: int
    stream: int
    interval: Interval
    tenure: int
    owner: str
    trial: str | None
    basis: Basis
    origins: tuple[Origin, ...] | None = None
    gaps: tuple[SegmentGap, ...] = ()
