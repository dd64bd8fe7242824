"""A piece of an answer with one owner and one basis: what the decision yields and every answer carries."""

from dataclasses import dataclass
from enum import StrEnum

from fieldlab.ownership.interval import Interval
from fieldlab.readings.gap import Cause
from fieldlab.readings.origin import Origin


class BasisKind(StrEnum):
    """Why the reader may see a segment."""

    OWN = "own"


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """The ground of a right to read one segment."""

    kind: BasisKind


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentGap:
    """A known hole within a segment."""

    interval: Interval
    cause: Cause


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One stretch of one stream with one owner and one basis, numbered within its answer.

    `tenure` is the database's key of the tenure it was cut from; `origins` are those of the data in it.
    """

    number: int
    stream: int
    interval: Interval
    tenure: int
    owner: str
    trial: str | None
    basis: Basis
    origins: tuple[Origin, ...] = ()
    gaps: tuple[SegmentGap, ...] = ()
