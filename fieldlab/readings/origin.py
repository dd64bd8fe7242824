"""How a sample came to be, and which clock stamped it: together the `origin` column of a measurement."""

from enum import IntEnum, IntFlag
from typing import Final


class Origin(IntEnum):
    """How a sample came to be; `LIVE` goes without saying in answers."""

    LIVE = 0
    HISTORY = 1
    REPLAY = 2
    SIMULATED = 3
    IMPORTED = 4


class Clock(IntFlag):
    """Which clock stamped a sample that its source did not stamp itself; added to the origin."""

    SOURCE = 0
    SERVER = 16
    RECEIPT = 32


_ORIGIN: Final = 0x0F


def origin_of(column: int) -> Origin:
    """Read the origin out of the `origin` column."""
    return Origin(column & _ORIGIN)


def clock_of(column: int) -> Clock:
    """Read the stamping clock out of the `origin` column."""
    return Clock(column & ~_ORIGIN)
