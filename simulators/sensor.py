"""Sensors that tell something else than the machine does: drift, a stuck value, a shifted one, unrest."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulators import noise
from simulators.columns import Column, Numbers, Times


class SensorFault(StrEnum):
    """What can be wrong with a sensor; `by` is in the signal's unit."""

    DRIFT = "drift"
    """Its reading moves away, in a straight line, to be off by `by` at the end."""
    OFFSET = "offset"
    """Its reading is off by `by`."""
    UNREST = "unrest"
    """Its reading jumps about the right one with a deviation of `by`."""
    STUCK = "stuck"
    """It goes on showing what it showed when the fault began."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadSensor:
    """A fault of one signal's sensor in [from_us, until_us)."""

    signal: str
    fault: SensorFault
    from_us: int
    until_us: int
    by: float = 0.0

    def bend(self, seed: int, times_us: Times, column: Column, truth_at: Callable[[Times], Column]) -> Column:
        """Give the column as this sensor shows it; `truth_at` gives the signal's right values at other times."""
        inside = (times_us >= self.from_us) & (times_us < self.until_us)
        if not inside.any():
            return column
        if self.fault is SensorFault.STUCK:
            held = truth_at(np.array([self.from_us], dtype=np.int64))
            return np.where(inside, held, column)
        right: Numbers = column.astype(np.float64)
        return np.where(inside, right + self._error(seed, times_us), right)

    def _error(self, seed: int, times_us: Times) -> Numbers:
        if self.fault is SensorFault.OFFSET:
            return np.full(len(times_us), self.by)
        if self.fault is SensorFault.UNREST:
            return self.by * noise.normal(noise.key(seed, f"unrest/{self.signal}"), times_us)
        part: Numbers = np.asarray((times_us - self.from_us) / (self.until_us - self.from_us), dtype=np.float64)
        return self.by * part
