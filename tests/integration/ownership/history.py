"""A lab's history minute by minute, kept as plainly as can be: what every answer is compared with, sample by sample.

A minute has one tenure (its owner and its number) and, for the grantee, at most one agreement that is chosen for it.
Minutes before and after those that are drawn belong to the home owner.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.ownership.floor import MONDAY

MINUTES: Final = 40
HOME: Final = "sme-b"
GRANTEE: Final = "outsider"
BEGIN: Final = Instant(MONDAY + 8 * 60 * MINUTE)
AROUND: Final = range(-4, MINUTES + 4)
"""The minutes that are kept; what lies farther out is as its neighbour."""


@dataclass(frozen=True, kw_only=True)
class Permit:
    """An agreement with the grantee: `floor` and `data` in minutes, no floor being 0; one not `open` gives nothing."""

    owner: str
    floor: int
    least: int
    data: tuple[int, int] | None
    open: bool

    def covers(self, minute: int) -> bool:
        return self.open and (self.data is None or self.data[0] <= minute < self.data[1])


@dataclass
class History:
    """Who owns each minute, by which booking; changed by the operations that the product has."""

    owners: dict[int, str] = field(default_factory=lambda: dict.fromkeys(AROUND, HOME))
    bookings: dict[int, int] = field(default_factory=dict)
    made: int = 0

    def free(self, minutes: Iterable[int]) -> bool:
        return not any(minute in self.bookings for minute in minutes)

    def book(self, owner: str, minutes: Iterable[int]) -> None:
        self.made += 1
        for minute in minutes:
            self.owners[minute], self.bookings[minute] = owner, self.made

    def release(self, minutes: Iterable[int]) -> None:
        for minute in minutes:
            self.owners[minute] = HOME
            self.bookings.pop(minute, None)

    def booked_with(self, minute: int) -> list[int]:
        return [one for one in AROUND if self.bookings.get(one) == self.bookings[minute]]

    def tenures(self) -> dict[int, int]:
        """Give the number of each minute's tenure: a run of minutes of one booking, or of none."""
        runs = groupby(AROUND, key=lambda minute: self.bookings.get(minute, 0))
        return {minute: number for number, (_, run) in enumerate(runs) for minute in run}


def whole(minutes: set[int], floor: int) -> set[int]:
    """Give those minutes that lie in a bucket of a floor of which every minute is among them."""
    if not floor:
        return minutes
    return {m for m in minutes if all(b in minutes for b in range(m // floor * floor, m // floor * floor + floor))}


def chosen(history: History, permits: Sequence[Permit]) -> dict[int, tuple[int, Permit]]:
    """Give for each minute that the grantee may have anything of its tenure and the permit on which it has it.

    The permit with the smallest floor is chosen, then the first.
    """
    tenures = history.tenures()
    best: dict[int, tuple[int, Permit]] = {}
    for permit in sorted(permits, key=lambda permit: permit.floor):
        for tenure in set(tenures.values()):
            own = {m for m in AROUND if tenures[m] == tenure and history.owners[m] == permit.owner}
            for minute in whole({m for m in own if permit.covers(m)}, permit.floor):
                best.setdefault(minute, (tenure, permit))
    return {
        minute: ground
        for minute, ground in best.items()
        if minute in whole({m for m, other in best.items() if other == ground}, ground[1].floor)
    }
