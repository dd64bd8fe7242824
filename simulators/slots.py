"""How a machine's hours are filled: equal slots, most of them a cycle of work, a few lost to people and material.

Which slots are lost is drawn anew for every hour, but how many is fixed, so that a counter at any time is known without
playing the time before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators import noise
from simulators.columns import Numbers, Times

COMMISSIONED_US = 1_577_836_800_000_000
"""2020-01-01T00:00:00Z, in microseconds: counters and meters start at 0 here."""
HOUR_US = 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where times lie: the sort of slot, the seconds since it began, and how many of each sort ended before it.

    `before` has one column a sort; before the machine was commissioned its numbers are below 0.
    """

    sort: NDArray[np.int64]
    seconds: Numbers
    before: NDArray[np.int64]

    @property
    def worked(self) -> NDArray[np.int64]:
        """How many working slots ended before this one."""
        return self.before[:, 0]


@dataclass(frozen=True, kw_only=True)
class Slots:
    """An hour of `count` equal slots; `lost` gives how many are of sort 1, 2, …; the rest, of sort 0, work."""

    count: int
    lost: tuple[int, ...]

    @property
    def length_us(self) -> int:
        """The length of one slot in microseconds."""
        return HOUR_US // self.count

    @property
    def worked_per_hour(self) -> int:
        """How many slots of each hour are worked."""
        return self.count - sum(self.lost)

    def place(self, seed: int, times_us: Times) -> Place:
        """Find the slot of each time; machines of different seeds do not run in step."""
        shift = int(noise.hashes(noise.key(seed, "shift"), np.zeros(1, dtype=np.int64))[0]) % HOUR_US
        elapsed = times_us - COMMISSIONED_US + shift
        hour = elapsed // HOUR_US
        in_hour = elapsed - hour * HOUR_US
        slot = in_hour // self.length_us
        first = int(hour.min()) if len(hour) else 0
        last = int(hour.max()) if len(hour) else 0
        if last - first > 2 * len(hour) + 1:
            hours, row = np.unique(hour, return_inverse=True)
        else:
            hours, row = np.arange(first, last + 1, dtype=np.int64), hour - first
        sorts, before = self._plan(seed, hours)
        per_hour = np.array((self.worked_per_hour, *self.lost), dtype=np.int64)
        return Place(
            sort=sorts[row, slot],
            seconds=(in_hour - slot * self.length_us) * 1e-6,
            before=hours[row][:, None] * per_hour + before[row, slot],
        )

    def _plan(self, seed: int, hours: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give, for each hour, the sort of every slot and how many of each sort came before it in the hour."""
        numbers = hours[:, None] * self.count + np.arange(self.count, dtype=np.int64)
        rank = np.argsort(np.argsort(noise.hashes(noise.key(seed, "slots"), numbers), axis=1, kind="stable"), axis=1)
        by_rank = np.zeros(self.count, dtype=np.int64)
        at = 0
        for sort, many in enumerate(self.lost, start=1):
            by_rank[at : at + many] = sort
            at += many
        sorts = by_rank[rank]
        member = (sorts[:, :, None] == np.arange(1 + len(self.lost), dtype=np.int64)).astype(np.int64)
        return sorts, np.cumsum(member, axis=1) - member
