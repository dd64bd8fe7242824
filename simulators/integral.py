"""What a rate adds up to over a stretch of time, where no formula gives it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulators.columns import Numbers, Times

_SECOND_US = 1_000_000
_MOST_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Integral:
    """The sum from `from_us` on, in the rate's unit times seconds, at every step; straight lines between."""

    from_us: int
    step_us: int
    sums: Numbers

    def at(self, times_us: Times) -> Numbers:
        """Give the sum at each time: 0 before the stretch, all of it after."""
        steps = (times_us - self.from_us) / self.step_us
        return np.interp(steps, np.arange(len(self.sums), dtype=np.float64), self.sums)


def integrate(rate_at: Callable[[Times], Numbers], from_us: int, until_us: int) -> Integral:
    """Add up a rate over [from_us, until_us) by its middle in each second, in longer steps if that is long."""
    step = _SECOND_US * max(-(-(until_us - from_us) // (_SECOND_US * _MOST_STEPS)), 1)
    begins = np.arange(from_us, until_us, step, dtype=np.int64)
    added = rate_at(begins + step // 2) * (step / _SECOND_US)
    return Integral(from_us=from_us, step_us=step, sums=np.concatenate(([0.0], np.cumsum(added))))
