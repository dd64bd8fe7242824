"""A machine or device, and what is measured on it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fieldlab.readings.instant import Instant


class Nature(StrEnum):
    """Whether a machine stands on the floor or in a computer, or is a recording; every answer says which.

    What a recording plays belongs to its home owner, the owner of what was recorded: it is never handed over.
    """

    REAL = "real"
    SIMULATED = "simulated"
    REPLAY = "replay"


class Kind(StrEnum):
    """What a stream's values are: numbers, booleans (kept as 0 and 1), or text (states, enumerations, events)."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A machine or device, as the catalogue shows it to one reader."""

    slug: str
    name: str
    home_owner: str
    nature: Nature
    place: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One measured quantity of an asset. `unit` is a UCUM code (`1` where there is none), `key` the database's.

    `first` and `last` are the times of the oldest and newest measurement that the reader may see, `rate` how many a
    second there usually are among the newest of these.
    """

    key: int
    id: UUID
    asset: str
    name: str
    kind: Kind
    unit: str
    quantity: str
    description: str
    nature: Nature
    semantic_id: str | None = None
    first: Instant | None = None
    last: Instant | None = None
    rate: float | None = None

    @property
    def reference(self) -> str:
        """Give the name people type: `mill-1.spindle_current`."""
        return f"{self.asset}.{self.name}"
