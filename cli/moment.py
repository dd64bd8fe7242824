"""Reading when, on a command line: an RFC 3339 time, or how long ago (`90s`, `10m`, `2h`, `7d`, `now`)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import Instant

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
