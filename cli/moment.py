"""Reading when, on a command line: an RFC 3339 time, how long ago (`90s`, `2h`, `7d`), or how long from now (`+2h`)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import MINUTE, SECOND, Instant

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment_past(text: str) -> datetime:
    """Read a time, `now`, or a number with s, m, h or d back; raises the command line's error for anything else."""
    if text == "now":
        return datetime.now(UTC)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    try:
        if match is not None:
            return datetime.now(UTC) - timedelta(seconds=float(match[1]) * _UNITS[match[2]])
        return Instant.parse(text).datetime()
    except InvalidTime as error:
        raise typer.BadParameter(f"{error} Or say how long ago: 90s, 10m, 2h or 7d.") from None
    except OverflowError:
        raise typer.BadParameter(f"{text} ago is before the year 1.") from None


def moment_ahead(text: str) -> Instant:
    """Read a time, or the next whole minute as `now`, or one that much later as `+90m`, `+2h` or `+1d`."""
    soon = -(-Instant.now() // MINUTE) * MINUTE
    if text == "now":
        return Instant(soon)
    match = re.fullmatch(r"\+(\d{1,6})([mhd])", text)
    if match is not None:
        return Instant(soon + int(match[1]) * _UNITS[match[2]] * SECOND)
    try:
        return Instant.parse(text)
    except InvalidTime as error:
        raise typer.BadParameter(f"{error} Or say from now on: now, +90m, +2h or +1d.") from None
