"""Reading how long: `90s`, `1m`, `1d` or ISO 8601 `PT1M`, as microseconds. Pure."""

import re
from typing import Final

from fieldlab.errors import InvalidInput

_MICROS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_LONGEST: Final = 36_525 * _MICROS["d"]

_NUMBER: Final = r"(\d{1,18})(?:[.,](\d{1,18}))?"
_SHORT: Final = re.compile(f"{_NUMBER}(us|ms|s|m|h|d)", flags=re.ASCII)
_ISO: Final = re.compile(
    f"P(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", flags=re.ASCII
)
_ISO_UNITS: Final = ("d", "h", "m", "s")
_CALENDAR: Final = re.compile(
    r"\d+(?:[.,]\d+)?(?:w|mo|mon|month|months|y|q)|P(?=.*\d+[YW]|[^T]*\d+M)[0-9.,YMWDTHS]+", flags=re.ASCII
)


def parse_duration(text: str) -> int:
    """Read a duration as a positive whole number of microseconds, at most 36,525 days.

    A day has 24 hours: on the grid of the Unix epoch that is the day in UTC. Raises InvalidInput for a calendar unit
    without a fixed length or grid (week, month, year), and for anything else.
    """
    if match := _SHORT.fullmatch(text):
        micros = _counted(text, match[1], match[2], match[3])
    elif (match := _ISO.fullmatch(text)) and any(match.groups()):
        parts = [(match[2 * i + 1], match[2 * i + 2], unit) for i, unit in enumerate(_ISO_UNITS)]
        micros = sum(_counted(text, whole, fraction, unit) for whole, fraction, unit in parts if whole is not None)
    elif _CALENDAR.fullmatch(text):
        raise InvalidInput(f"{text!r} counts in weeks, months or years, which is not offered yet; count in days: 7d.")
    else:
        raise InvalidInput(f"{_shown(text)} is not a duration; write it like 500ms, 10s, 1m, 2h, 1d or PT1M.")
    if not 0 < micros <= _LONGEST:
        raise InvalidInput(f"{_shown(text)} is too short or too long; a duration is from 1us to 36525d.")
    return micros


def format_duration(micros: int) -> str:
    """Write whole microseconds in the largest unit that needs no fraction: 60000000 as `1m`."""
    unit = next(name for name, size in sorted(_MICROS.items(), key=lambda item: -item[1]) if micros % size == 0)
    return f"{micros // _MICROS[unit]}{unit}"


def format_seconds(micros: int) -> str:
    """Write whole microseconds as XML Schema and ISO 8601 have it, in seconds: 60000000 as `PT60S`."""
    whole, rest = divmod(micros, _MICROS["s"])
    return f"PT{whole}{f'.{rest:06d}'.rstrip('0') if rest else ''}S"


def _counted(text: str, whole: str, fraction: str | None, unit: str) -> int:
    digits = fraction or ""
    scale: int = 10 ** len(digits)
    micros, rest = divmod(int(whole + digits) * _MICROS[unit], scale)
    if rest:
        raise InvalidInput(f"{_shown(text)} is finer than a microsecond, the smallest step there is.")
    return micros


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")  # noqa: PLR2004 - one line of a message
