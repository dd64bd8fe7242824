"""A quantity over the course of one cycle: straight lines between given points, with jumps where they are meant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.columns import Numbers


@dataclass(frozen=True, kw_only=True)
class Course:
    """The stretches of one cycle: where each begins and how long it lasts, in seconds."""

    begins: Numbers
    lasts: Numbers

    @classmethod
    def of(cls, durations: tuple[float, ...]) -> "Course":
        """Lay stretches of these durations end to end."""
        lasts = np.array(durations, dtype=np.float64)
        begins = np.array([sum(durations[:index]) for index in range(len(durations))], dtype=np.float64)
        return cls(begins=begins, lasts=lasts)

    def place(self, seconds: Numbers) -> tuple[NDArray[np.intp], Numbers]:
        """Give, for each time in the cycle, the number of its stretch and the seconds since that began."""
        stretch = np.searchsorted(self.begins, seconds, side="right") - 1
        return stretch, seconds - self.begins[stretch]


@dataclass(frozen=True, kw_only=True)
class Path:
    """Values that run straight from `starts` to `ends` within each stretch of a course."""

    starts: Numbers
    slopes: Numbers
    before: Numbers
    whole: float

    @classmethod
    def of(cls, course: Course, starts: tuple[float, ...], ends: tuple[float, ...]) -> "Path":
        """Draw the line of each stretch from its start value to its end value."""
        first, last = np.array(starts, dtype=np.float64), np.array(ends, dtype=np.float64)
        areas = (0.5 * (first + last) * course.lasts).tolist()
        before = np.array([sum(areas[:index]) for index in range(len(areas))], dtype=np.float64)
        return cls(starts=first, slopes=(last - first) / course.lasts, before=before, whole=float(sum(areas)))

    def value(self, stretch: NDArray[np.intp], seconds: Numbers) -> Numbers:
        """Give the value, `seconds` into its stretch."""
        return self.starts[stretch] + self.slopes[stretch] * seconds

    def integral(self, stretch: NDArray[np.intp], seconds: Numbers) -> Numbers:
        """Give the area from the start of the cycle, in the value's unit times seconds."""
        return self.before[stretch] + (self.starts[stretch] + 0.5 * self.slopes[stretch] * seconds) * seconds
