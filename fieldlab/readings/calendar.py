"""Steps that the calendar counts: days, weeks and months in a time zone, as long as they turn out to be. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from fieldlab.errors import InvalidInput, InvalidInterval
from fieldlab.readings.instant import MINUTE, Instant

MOST_BUCKETS: Final = 100_000
"""How many buckets of the calendar one question may span."""

_DAY: Final = 24 * 60 * MINUTE
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = date(1970, 1, 5).toordinal()
_SHORTEST_MONTH: Final = 28
_SEASONS: Final = tuple(datetime(2026, month, 1) for month in (1, 4, 7, 10))  # noqa: DTZ001 - a wall clock's


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """A step of so many months, weeks or days (one of the three) from midnight to midnight in a time zone.

    Months count from January 1970, weeks from a Monday, days from 1 January 1970. Where the clock is put back or
    forward a day has 25 or 23 hours; a day whose midnight does not exist begins with its first moment.
    """

    months: int = 0
    weeks: int = 0
    days: int = 0
    zone: str = "UTC"

    def edges(self, start: Instant, until: Instant) -> NDArray[np.int64]:
        """Give the ascending bounds of all buckets that hold a moment of `[start, until)`, in microseconds.

        Raises InvalidInterval for an open range, or one of too many buckets.
        """
        if not (start.finite and until.finite):
            raise InvalidInterval(f"A step of {self} needs a range with both ends; give from and until, or last.")
        if (until - start) // _DAY > MOST_BUCKETS * self._shortest:
            raise InvalidInterval(f"This range has more than {MOST_BUCKETS} steps of {self}; ask for less of it.")
        return np.unique(np.fromiter(self._bounds(start, until), dtype=np.int64))

    def after(self, moment: Instant) -> Instant:
        """Give the end of the bucket that holds a moment."""
        edges = self.edges(moment, Instant(moment + 1))
        return Instant(edges[np.searchsorted(edges, moment, side="right")])

    def fits(self, floor: int) -> bool:
        """Tell whether its bounds fall on the grid of a resolution floor."""
        offsets = [moment.replace(tzinfo=ZoneInfo(self.zone)).utcoffset() or timedelta() for moment in _SEASONS]
        return _DAY % floor == 0 and all(offset // timedelta(microseconds=1) % floor == 0 for offset in offsets)

    def __str__(self) -> str:
        """Write it short: `1mo`, `2w`, `1d`."""
        return f"{self.months}mo" if self.months else f"{self.weeks}w" if self.weeks else f"{self.days}d"

    @property
    def _shortest(self) -> int:
        return self.months * _SHORTEST_MONTH or self.weeks * 7 or self.days

    def _bounds(self, start: Instant, until: Instant) -> Iterator[int]:
        zone = ZoneInfo(self.zone)
        number = self._number(start.datetime().astimezone(zone).date())
        while True:
            bound = self._midnight(number, zone)
            yield bound
            if bound >= until:
                return
            number += 1

    def _number(self, day: date) -> int:
        if self.months:
            return ((day.year - 1970) * 12 + day.month - 1) // self.months
        if self.weeks:
            return (day.toordinal() - _MONDAY) // (7 * self.weeks)
        return (day.toordinal() - _EPOCH) // self.days

    def _midnight(self, number: int, zone: ZoneInfo) -> int:
        try:
            if self.months:
                years, month = divmod(number * self.months, 12)
                day = date(1970 + years, month + 1, 1)
            elif self.weeks:
                day = date.fromordinal(_MONDAY + 7 * self.weeks * number)
            else:
                day = date.fromordinal(_EPOCH + self.days * number)
            return Instant.of(datetime(day.year, day.month, day.day, tzinfo=zone))
        except (OverflowError, ValueError):
            raise InvalidInterval(f"Steps of {self} here leave the years 1 to 9999; ask for another range.") from None


Step = int | Calendar
"""The length of a bucket: whole microseconds on the grid of the Unix epoch, or counted by the calendar."""


def time_zone(name: str) -> str:
    """Give the name of a time zone as it is; raises InvalidInput for one that is not there."""
    if name not in available_timezones():
        raise InvalidInput(f"{name[:60]!r} is not a time zone; write it like Europe/Amsterdam.")
    return name
