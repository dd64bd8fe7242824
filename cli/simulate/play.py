"""Plays a plan on all its faces at once, shows how far it has come, and sums it up."""

import asyncio
import logging
import time
from collections.abc import Sequence

from rich.console import Console
from rich.logging import RichHandler

from cli.simulate.bar import bars, line
from cli.simulate.face import Face
from cli.simulate.plan import Plan
from cli.stop import until_stopped
from simulators.playback import Progress


def play(plan: Plan, faces: Sequence[Face], console: Console, *, quiet: bool) -> None:
    """Play until the plan ends or somebody stops it; the first face that fails ends the others."""
    _hear(console)
    if not quiet:
        names = [machine.asset for machine in plan.machines]
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")  # noqa: PLR2004
        for face in faces:
            console.print(f"{face.name}: {shown} → {face.where}", soft_wrap=True)
    begun = time.monotonic()
    with bars(console, shown=not quiet) as lines:
        tells = [line(lines, face.name, plan.span) for face in faces]

        async def all_faces(stop: asyncio.Event) -> list[Progress]:
            if plan.span.longest is not None:
                asyncio.get_running_loop().call_later(plan.span.longest.total_seconds(), stop.set)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(face.play(plan, stop, tell)) for face, tell in zip(faces, tells, strict=True)
                ]
            return [task.result() for task in tasks]

        results = until_stopped(all_faces)
    if not quiet:
        for face, done in zip(faces, results, strict=True):
            console.print(_summary(face, done, max(time.monotonic() - begun, 0.001)), soft_wrap=True)


def _summary(face: Face, done: Progress, seconds: float) -> str:
    refused = f", {done.refused:,} messages refused by the broker" if done.refused else ""
    return f"{face.name}: {done.samples:,} samples in {seconds:.1f} s, {done.samples / seconds:,.0f} a second{refused}"


def _hear(console: Console) -> None:
    """Show what the faces have to say, such as that a broker is away."""
    log = logging.getLogger("simulators")
    log.setLevel(logging.INFO)
    log.handlers = [RichHandler(console=console, show_path=False, omit_repeated_times=False)]
    log.propagate = False
