"""The hall's working week, in UTC: Monday to Friday in two shifts, Saturday in one, Sunday off."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulators.columns import Numbers, Times
from simulators.path import Course, Path
from simulators.slots import COMMISSIONED_US, HOUR_US

_DAY_US = 24 * HOUR_US
_WEEK_US = 7 * _DAY_US
_FIRST_MONDAY_US = 4 * _DAY_US
_WORKDAY = ((0.0, 0.0), (5.5, 0.0), (6.5, 1.0), (11.5, 1.0), (12.0, 0.6), (12.5, 1.0), (21.0, 0.9), (22.0, 0.0))
_SATURDAY = ((0.0, 0.0), (5.5, 0.0), (6.5, 0.7), (13.0, 0.7), (14.0, 0.0))
_SUNDAY = ((0.0, 0.0),)


@dataclass(frozen=True, kw_only=True)
class Week:
    """The share of the hall's people and machines at work, 0…1, over the week."""

    course: Course
    path: Path

    def share(self, times_us: Times) -> Numbers:
        """Give the share at each time."""
        return self.path.value(*self._place(times_us))

    def hours(self, times_us: Times) -> Numbers:
        """Give the integral of the share since commissioning, in hours."""
        start = np.array([COMMISSIONED_US], dtype=np.int64)
        hours: Numbers = (self._area(times_us) - self._area(start)) / 3600.0
        return hours

    def _place(self, times_us: Times) -> tuple[NDArray[np.intp], Numbers]:
        seconds = np.asarray(((times_us - _FIRST_MONDAY_US) % _WEEK_US) * 1e-6, dtype=np.float64)
        return self.course.place(seconds)

    def _area(self, times_us: Times) -> Numbers:
        whole = (times_us - _FIRST_MONDAY_US) // _WEEK_US
        return whole * self.path.whole + self.path.integral(*self._place(times_us))


@cache
def working_week() -> Week:
    """Give the hall's week."""
    points: list[tuple[float, float]] = []
    for day, shape in enumerate((*[_WORKDAY] * 5, _SATURDAY, _SUNDAY)):
        points += [(day * 24.0 + hour, share) for hour, share in shape]
    ends = [*points[1:], (168.0, points[0][1])]
    course = Course.of(tuple((end[0] - begin[0]) * 3600.0 for begin, end in zip(points, ends, strict=True)))
    path = Path.of(course, tuple(point[1] for point in points), tuple(end[1] for end in ends))
    return Week(course=course, path=path)
