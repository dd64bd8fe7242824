"""What a declaration would change: a pure comparison of two inventories, line by line as a version control diff."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from fieldlab.assets.asset import Nature
from fieldlab.assets.inventory import Inventory
from fieldlab.errors import Conflict


class Mark(StrEnum):
    """What becomes of a thing."""

    ADDED = "+"
    CHANGED = "~"
    KEPT = "="


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One property of a thing: `old` is None for a thing that is new."""

    name: str
    old: object
    new: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is added, changed, or kept though it is not declared."""

    mark: Mark
    kind: str
    name: str
    properties: tuple[Property, ...] = ()

    def __str__(self) -> str:
        """Write its first line: `~ participant sme-a`."""
        return f"{self.mark} {self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that a declaration does, in the order in which it is done, and all that it leaves alone."""

    changes: tuple[Change, ...]

    def of(self, mark: Mark) -> tuple[Change, ...]:
        """List the things of one fate."""
        return tuple(change for change in self.changes if change.mark is mark)

    @property
    def effective(self) -> tuple[Change, ...]:
        """List what would be different afterwards; empty where the lab is as declared."""
        return tuple(change for change in self.changes if change.mark is not Mark.KEPT)


KINDS: Final = {
    "participant": "participants",
    "source": "sources",
    "asset": "assets",
    "stream": "streams",
    "binding": "bindings",
    "trial": "trials",
}
"""The kinds of things in the order in which they need each other, each with its place in an inventory."""

_FIXED: Final = {
    "source": ("wire",),
    "asset": ("home_owner",),
    "stream": ("kind", "unit"),
    "trial": ("participant",),
}
"""What a declaration cannot change once it is set: whose it was, and what the stored numbers mean."""


def difference(present: Inventory, declared: Inventory) -> tuple[Change, ...]:
    """List what the declaration adds, changes and does not name, bookings aside.

    Raises Conflict, with every case, where it would change what stored data means or whose it was.
    """
    changes: list[Change] = []
    refused: list[str] = []
    for kind, section in KINDS.items():
        here: Mapping[Any, Any] = getattr(present, section)
        there: Mapping[Any, Any] = getattr(declared, section)
        for key, entry in there.items():
            if key not in here:
                changes.append(Change(mark=Mark.ADDED, kind=kind, name=named(key), properties=tuple(_all(entry))))
            elif differing := tuple(_differing(here[key], entry)):
                fixed = [one for one in differing if one.name in _FIXED.get(kind, ()) or _replays(kind, one)]
                refused += [
                    f"{kind} {named(key)}: {one.name} is {one.old} and cannot become {one.new}" for one in fixed
                ]
                changes.append(Change(mark=Mark.CHANGED, kind=kind, name=named(key), properties=differing))
        changes += [Change(mark=Mark.KEPT, kind=kind, name=named(key)) for key in here if key not in there]
    if refused:
        raise Conflict(
            "Data is stored under what this would change; declare a new name for what is new.\n"
            + "\n".join(f"  {one}" for one in refused)
        )
    return tuple(changes)


def _replays(kind: str, one: Property) -> bool:
    """Tell whether a machine would become a recording, or a recording a machine that can be handed over."""
    return kind == "asset" and one.name == "nature" and Nature.REPLAY in (one.old, one.new)


def named(key: str | tuple[str, str]) -> str:
    """Write the name of a thing."""
    return key if isinstance(key, str) else " ".join(key)


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same as JSON: 7 and 7.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, int):
        return one == _float(other)
    if isinstance(one, int) and isinstance(other, float):
        return _float(one) == other
    return one == other


def _float(number: int) -> float | None:
    """Give the nearest float: a database gives 2.752489606718599e+16 back as 27524896067185990, which it is not."""
    try:
        return float(number)
    except OverflowError:
        return None


def _differing(old: object, new: object) -> Iterator[Property]:
    for one in _all(new):
        before = getattr(old, one.name)
        if not same(before, one.new):
            yield Property(name=one.name, old=before, new=one.new)


def _all(entry: Any) -> Iterator[Property]:  # noqa: ANN401 - any entry of an inventory
    for one in fields(entry):
        yield Property(name=one.name, old=None, new=getattr(entry, one.name))
