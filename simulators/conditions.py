"""What is wrong with a machine, and when: the levels that its equations take into account."""

from dataclasses import dataclass

import numpy as np

from simulators.columns import Numbers, Times


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A condition in [from_us, until_us): it grows to its level over `ramp_us`, stays there and ends at once."""

    name: str
    from_us: int
    until_us: int
    ramp_us: int = 0
    level: float = 1.0

    def level_at(self, times_us: Times) -> Numbers:
        """Give the level at each time, 0 outside the window."""
        inside = (times_us >= self.from_us) & (times_us < self.until_us)
        if not self.ramp_us:
            return np.where(inside, self.level, 0.0)
        part = np.minimum((times_us - self.from_us) / self.ramp_us, 1.0)
        return np.where(inside, self.level * part, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """All that is wrong with one machine; nothing by default."""

    windows: tuple[Window, ...] = ()

    def named(self, name: str) -> tuple[Window, ...]:
        """Give the windows of one condition."""
        return tuple(window for window in self.windows if window.name == name)

    def level(self, name: str, times_us: Times) -> Numbers:
        """Give the level of a condition at each time; where windows overlap the highest counts."""
        level = np.zeros(len(times_us), dtype=np.float64)
        for window in self.named(name):
            level = np.maximum(level, window.level_at(times_us))
        return level


NOMINAL = Conditions()
"""Nothing is wrong."""
