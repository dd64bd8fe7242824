"""A moment in time, as Fieldlab keeps it everywhere: whole microseconds, UTC, with two infinities."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from fieldlab.errors import InvalidTime

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})", flags=re.ASCII
)
_NAIVE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?", flags=re.ASCII)


class Instant(int):
    """Microseconds since 1970-01-01T00:00:00Z. Ordered as integers; `FOREVER` and `NEVER` are the infinities.

    Finite instants lie in the years 1 to 9999.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an RFC 3339 time with an offset; digits below the microsecond are cut off, never rounded.

        Raises InvalidTime for a time without offset, an impossible one, or another notation.
        """
        match = _RFC3339.fullmatch(text)
        if match is None:
            if _NAIVE.fullmatch(text):
                raise InvalidTime(f"The time {text!r} has no offset; write it as {_example(text)}.")
            raise InvalidTime(f"{_short(text)} is not an RFC 3339 time; write it like 2026-11-21T08:00:00Z.")
        day, clock, fraction, offset = match.groups()
        micros = (fraction or "0")[:6].ljust(6, "0")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}.{micros}{offset.upper().replace('Z', '+00:00')}")
            return cls.of(moment)
        except ValueError as error:
            raise InvalidTime(f"The time {text!r} cannot be: {error}.") from None

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Convert an aware datetime; raises InvalidTime for a naive one, or one outside the years 1 to 9999 in UTC."""
        if moment.utcoffset() is None:
            raise InvalidTime(f"The time {moment.isoformat()} has no offset; give one, or Z for UTC.")
        micros = (moment - _EPOCH) // _MICROSECOND
        if not _FIRST <= micros <= _LAST:
            raise InvalidTime(f"The time {moment.isoformat()} is outside the years 1 to 9999 in UTC.")
        return cls(micros)

    @classmethod
    def now(cls) -> Self:
        """Read this machine's clock; for the edges of the system only, pure code takes the time as an argument."""
        return cls.of(datetime.now(UTC))

    @property
    def finite(self) -> bool:
        """Tell whether this is a moment rather than one of the infinities."""
        return NEVER < self < FOREVER

    def datetime(self) -> datetime:
        """Convert to an aware datetime in UTC; raises InvalidTime for an infinity or a year beyond 9999."""
        try:
            return _EPOCH + int(self) * _MICROSECOND
        except OverflowError:
            raise InvalidTime(f"{int(self)} µs from the epoch is outside the years 1 to 9999.") from None

    def __str__(self) -> str:
        """Write it as RFC 3339 with six digits and Z, or as `infinity` and `-infinity`."""
        if not self.finite:
            return "infinity" if self > 0 else "-infinity"
        return f"{self.datetime().isoformat(timespec='microseconds')[:26]}Z"

    __repr__ = __str__


FOREVER: Final = Instant(2**63 - 1)
NEVER: Final = Instant(-(2**63))

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND


def _example(naive: str) -> str:
    day, _, clock = naive.replace("t", "T").replace(" ", "T").partition("T")
    clock = clock or "00:00:00"
    return f"{day}T{clock if clock.count(':') == 2 else clock + ':00'}Z"  # noqa: PLR2004 - hours:minutes:seconds


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - one line of a message
