"""A stretch of time, half-open: `[start, until)`."""

from dataclasses import dataclass
from typing import Final

from fieldlab.errors import InvalidInterval
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Interval:
    """All instants t with `start <= t < until`; never empty. An open end is an infinity."""

    start: Instant
    until: Instant

    def __post_init__(self) -> None:
        if not self.start < self.until:
            raise InvalidInterval(
                f"The range from {self.start} until {self.until} is empty; from must be before until."
            )

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, int) and self.start <= moment < self.until

    def overlaps(self, other: "Interval") -> bool:
        """Tell whether the two share an instant; neighbours that touch do not."""
        return self.start < other.until and other.start < self.until

    def covers(self, other: "Interval") -> bool:
        """Tell whether every instant of the other lies in this one."""
        return self.start <= other.start and other.until <= self.until

    def clipped(self, other: "Interval") -> "Interval | None":
        """Give the part that both share, or None."""
        start, until = max(self.start, other.start), min(self.until, other.until)
        return Interval(start=start, until=until) if start < until else None

    def on_whole_minutes(self) -> "Interval":
        """Give the interval itself; raises InvalidInterval unless each finite bound falls on a whole minute."""
        for bound in (self.start, self.until):
            if bound.finite and bound % MINUTE:
                raise InvalidInterval(f"{bound} is not on a whole minute; ownership changes on whole minutes only.")
        return self


ALWAYS: Final = Interval(start=NEVER, until=FOREVER)
