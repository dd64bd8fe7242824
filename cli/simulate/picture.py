"""`--plot`: the signals of a play and what was wrong, drawn before it is played; nothing in it depends on a wire."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.simulate.plan import Plan
from simulators.errors import InvalidSettingError

_OPEN: Final = timedelta(minutes=10)


def picture(plan: Plan, file: Path, *, signals: Sequence[str], console: Console, quiet: bool) -> None:
    """Draw the play to where it ends or meets the present, or its first ten minutes if it is live alone."""
    try:
        from simulators.plot import draw
    except ImportError:
        raise InvalidSettingError("--plot needs matplotlib: pip install 'fieldlab[plots]'") from None
    end = plan.span.past_until or plan.span.start + _OPEN
    with nullcontext() if quiet else console.status(f"drawing {file}"):
        draw(
            plan.machines, file, since=plan.span.start, until=end, rate=plan.span.rate, truth=plan.truth, names=signals
        )
    if not quiet:
        console.print(f"drawn: {file}")
