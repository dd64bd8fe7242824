"""How far a play has come, one line a face: a bar while the past is played, a count once it is live."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from cli.simulate.face import Tell
from cli.simulate.plan import Span
from simulators.playback import Progress

_EVERY_S: Final = 0.1


@contextmanager
def bars(console: Console, *, shown: bool) -> Iterator[Bars]:
    """Show progress on a terminal, and nothing elsewhere."""
    with Bars(
        TextColumn("{task.description:>9}"),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[samples]:>13,} samples"),
        TextColumn("{task.fields[per_second]:>9,.0f}/s"),
        TextColumn("{task.fields[at]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        refresh_per_second=5,
        disable=not (shown and console.is_terminal),
    ) as lines:
        yield lines


def line(lines: Bars, name: str, span: Span) -> Tell:
    """Add a face's line; give what the face calls at each tick."""
    end = span.past_until
    total = None if end is None else max((end - span.start).total_seconds(), 0.001)
    task = lines.add_task(name, total=total, samples=0, per_second=0.0, at="")
    begun = told = time.monotonic()

    def tell(done: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _EVERY_S or done.at is None:
            return
        told = now
        lines.update(
            task,
            completed=(done.at - span.start).total_seconds() if total is not None else 0,
            samples=done.samples,
            per_second=done.samples / max(now - begun, _EVERY_S),
            at=done.at.strftime("%Y-%m-%d %H:%M:%S"),
        )

    return tell
