"""Reading how long: `90s`, `10m`, `2h`, `7d`."""

import re
from datetime import timedelta
from typing import Final

import typer

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """Read a number with s, m, h or d; raises the command line's error for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write it like 90s, 10m, 2h or 7d.")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
