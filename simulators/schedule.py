"""When a machine speaks: a grid of ticks from the past through now into the future, without a hole or an overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from simulators.columns import Times
from simulators.errors import InvalidSettingError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MAX_RATE = 10_000.0
"""Ticks per second; above it a tick would be shorter than a face can tell apart."""
MAX_SPEED = 1e6


def microseconds(moment: datetime, setting: str) -> int:
    """Give a moment in microseconds since the Unix epoch; a moment without a zone is refused, naming the setting."""
    if moment.tzinfo is None:
        raise InvalidSettingError(f"{setting}={moment.isoformat()} has no zone: add one, as in 2026-11-21T08:00:00Z")
    return (moment - _EPOCH) // _MICROSECOND


def moment(time_us: int) -> datetime:
    """Give microseconds since the Unix epoch as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Ticks at whole multiples of 1/rate s since the Unix epoch, in [since, until), and when each is due.

    With `speed` 1 a tick is due at its own time, so those in the past are due at once and the rest as they come. With
    another speed the first tick is due at `started_us` and time runs `speed` times as fast from there.
    """

    period_us: int
    first_us: int
    end_us: int | None
    speed: float
    started_us: int

    @classmethod
    def of(
        cls, *, now_us: int, rate: float, since: datetime | None, until: datetime | None, speed: float = 1.0
    ) -> "Schedule":
        """Plan from settings, refusing those that make no sense; without `since` it begins with the next tick."""
        if not 0.0 < rate <= MAX_RATE:
            raise InvalidSettingError(f"rate={rate} is not possible: give ticks per second, up to {MAX_RATE:.0f}")
        if not 0.0 < speed <= MAX_SPEED:
            raise InvalidSettingError(f"speed={speed} is not possible: 1 is real time, 60 is an hour in a minute")
        period = max(round(1e6 / rate), 1)
        start = now_us if since is None else microseconds(since, "since")
        end = None if until is None else microseconds(until, "until")
        first = -(-start // period) * period
        if end is not None and end <= start:
            raise InvalidSettingError("until must lie after since, or after now where since is not given")
        return cls(period_us=period, first_us=first, end_us=end, speed=speed, started_us=now_us)

    def chunks(self, size: int) -> Iterator[Times]:
        """Give all ticks in order, at most `size` at a time; without an end, for ever."""
        at = self.first_us
        while self.end_us is None or at < self.end_us:
            end = at + size * self.period_us
            if self.end_us is not None:
                end = min(end, self.end_us)
            yield np.arange(at, end, self.period_us, dtype=np.int64)
            at += size * self.period_us

    def due_us(self, tick_us: int) -> int:
        """Give the wall-clock time at which this tick is to be played."""
        if self.speed == 1.0:
            return tick_us
        return self.started_us + round((tick_us - self.first_us) / self.speed)
