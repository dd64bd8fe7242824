"""Timing several ways of doing one thing so that they can be compared: in turns, on one machine, medians."""

import statistics
import time
from collections.abc import Callable, Mapping


def alternate(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Run each way `rounds` times in turns (A B A B …) after one round to warm up; give the median seconds of each.

    Turns spread what changes on the machine meanwhile over all ways alike.
    """
    return in_turns({name: _timed(way) for name, way in ways.items()}, rounds=rounds)


def in_turns(ways: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """Do the same with ways that measure themselves, and give the seconds that they took."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            seconds = way()
            if turn:
                taken[name].append(seconds)
    return {name: statistics.median(times) for name, times in taken.items()}


def _timed(way: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        begin = time.perf_counter()
        way()
        return time.perf_counter() - begin

    return timed
