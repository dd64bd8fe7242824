"""Which machines play: from words on the command line to machines with names and seeds."""

from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice

from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.machines import MACHINES


def cast(words: Sequence[str], *, asset: str | None, assets: int | None, seed: int) -> tuple[Machine, ...]:
    """Give the machines that words name: each TYPE numbered among its own (mill-1, mill-2), or TYPE=NAME.

    With `assets` so many, of the named types in turn, or of all types if none is named. The first machine has the seed,
    each further one the next number, so that two of a type do not run in step.
    """
    if assets is not None and any("=" in word for word in words):
        raise InvalidSettingError("--assets numbers its machines itself: give TYPE without =NAME")
    named = list(words) if assets is None else list(islice(cycle(words or MACHINES), assets))
    if asset is not None:
        if len(named) != 1 or "=" in named[0]:
            raise InvalidSettingError("--asset names one machine; for several write TYPE=NAME, as in mill=mill-7")
        named = [f"{named[0]}={asset}"]
    seen: Counter[str] = Counter()
    machines = []
    for number, word in enumerate(named):
        kind, _, name = word.partition("=")
        if kind not in MACHINES:
            raise InvalidSettingError(f"there is no machine {kind!r}; choose {', '.join(MACHINES)}.")
        seen[kind] += 1
        machines.append(MACHINES[kind](asset=name or f"{kind}-{seen[kind]}", seed=seed + number))
    return tuple(machines)
