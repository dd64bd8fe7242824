"""What OPC UA Binary holds that Python has no counterpart for (OPC 10000-6, 5.2), and its times; pure."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Final, NamedTuple

from fieldlab.errors import InvalidInput

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
LAST_TICK: Final = 2_650_152_384_000_000_000
"""The beginning of the year 9999, in 100 ns since 1601: what lies behind it means no time."""


class Malformed(InvalidInput):
    """The bytes end too early, or hold what the specification does not know."""


class NodeKey(NamedTuple):
    """A NodeId as one session writes it: the index of its namespace, and its identifier there."""

    namespace: int
    identifier: int | str | uuid.UUID | bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """A structure that is not decoded yet (5.2.2.15): how it is encoded, and its bytes; None for XML or nothing."""

    encoding: NodeKey
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Word:
    """A text in some language (5.2.2.14), or a name in some namespace (5.2.2.13)."""

    text: str | None

    def __str__(self) -> str:
        return self.text or ""


@dataclass(frozen=True, slots=True)
class Code:
    """A status code as a value (5.2.2.11)."""

    value: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a kind that is no measurement: it is read over, and only its kind is kept."""

    kind: str


def moment(ticks: int) -> datetime | None:
    """Give the time in 100 ns since 1601; None where it means none."""
    return _EPOCH + timedelta(microseconds=ticks // 10) if 0 < ticks < LAST_TICK else None


def shaped(flat: list[object], dimensions: list[int]) -> list[object]:
    """Make a matrix of its elements (5.2.2.16); one whose dimensions do not fit stays as it is."""
    if len(dimensions) == 1 or any(one <= 0 for one in dimensions) or prod(dimensions) != len(flat):
        return flat
    for size in reversed(dimensions[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat
