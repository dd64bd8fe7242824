"""Reading how long: `90s`, `1m`, `1d` or ISO 8601 `PT1M`, as microseconds; and steps, `1mo` or `P1M` too. Pure."""

import re
from typing import Final

from fieldlab.errors import InvalidInput
from fieldlab.readings.calendar import Calendar, Step

_MICROS: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_LONGEST: Final = 36_525 * _MICROS["d"]

_MOST: Final = {"d": 36_525, "w": 5_218, "m": 1_200, "q": 400, "y": 100}

_NUMBER: Final = r"(\d{1,18})(?:[.,](\d{1,18}))?"
_SHORT: Final = re.compile(f"{_NUMBER}(us|ms|s|m|h|d)", flags=re.ASCII)
_ISO: Final = re.compile(
    f"P(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", flags=re.ASCII
)
_ISO_UNITS: Final = ("d", "h", "m", "s")
_STEP: Final = re.compile(r"(\d{1,6})(d|w|mo|q|y)|P(\d{1,6})([DWMY])", flags=re.ASCII)
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
        raise InvalidInput(f"{text!r} counts in weeks, months or years, which have no fixed length; count in days: 7d.")
    else:
        raise InvalidInput(f"{_shown(text)} is not a duration; write it like 500ms, 10s, 1m, 2h, 1d or PT1M.")
    if not 0 < micros <= _LONGEST:
        raise InvalidInput(f"{_shown(text)} is too short or too long; a duration is from 1us to 36525d.")
    return micros


def parse_step(text: str, zone: str | None = None) -> Step:
    """Read the length of a bucket: a duration, or days, weeks, months, quarters or years of the calendar.

    With a time zone the step must be one of the calendar. Without, a day is that of UTC. Raises InvalidInput.
    """
    match = _STEP.fullmatch(text)
    if match is None:
        if zone is not None and (_SHORT.fullmatch(text) or _ISO.fullmatch(text)):
            raise InvalidInput(
                f"time_zone needs a step of whole days, weeks or months, such as 1d; {_shown(text)} is the same "
                "everywhere, so leave time_zone out."
            )
        if not _CALENDAR.fullmatch(text):
            return parse_duration(text)
        raise InvalidInput(f"{_shown(text)} is not a step; write whole days, weeks, months or years: 1d, 1w, 1mo, 1y.")
    count, unit = int(match[1] or match[3]), (match[2] or match[4])
    if not 0 < count <= _MOST[unit.lower()[0]]:
        raise InvalidInput(f"{_shown(text)} is too short or too long; a step is at most 100 years.")
    match unit:
        case "d" | "D":
            return Calendar(days=count, zone=zone) if zone else parse_duration(f"{count}d")
        case "w" | "W":
            return Calendar(weeks=count, zone=zone or "UTC")
        case _:
            months = {"mo": 1, "M": 1, "q": 3, "y": 12, "Y": 12}[unit]
            return Calendar(months=count * months, zone=zone or "UTC")


def format_step(step: Step) -> str:
    """Write a step as `parse_step` reads it."""
    return str(step) if isinstance(step, Calendar) else format_duration(step)


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
