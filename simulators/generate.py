"""Samples of machines over a stretch of time, as fast as one core makes them, without any wire."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.columns import Columns
from simulators.machine import Machine
from simulators.machines import MACHINES
from simulators.playback import together
from simulators.schedule import Schedule, moment
from simulators.slots import COMMISSIONED_US

CHUNK = 3600
"""Ticks in one piece of columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some ticks of one machine."""

    machine: Machine
    columns: Columns


def generate(machines: Sequence[Machine], *, since: datetime, until: datetime, rate: float = 1.0) -> Iterator[Piece]:
    """Give the samples of every machine in [since, until), in order of time, an hour of 1 Hz at most at once."""
    machines = together(machines)
    schedule = Schedule.of(now_us=0, rate=rate, since=since, until=until)
    for times in schedule.chunks(CHUNK):
        for machine in machines:
            yield Piece(machine=machine, columns=machine.at(times))


def samples_per_second(seconds: float = 2.0) -> float:
    """Measure how many samples of all machine types one core generates in a second, as rows of Python values.

    Rows are what a face needs, so the measure includes taking the columns apart.
    """
    machines = [kind(asset=name, seed=1) for name, kind in MACHINES.items()]
    start = moment(COMMISSIONED_US) + timedelta(days=365)
    samples, begun = 0, time.perf_counter()
    for piece in generate(machines, since=start, until=start + timedelta(days=365)):
        samples += sum(len(values) for _, values in piece.columns.rows())
        if time.perf_counter() - begun >= seconds:
            break
    return samples / (time.perf_counter() - begun)
