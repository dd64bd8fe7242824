"""What is played, from when until when: settings checked against each other before anything is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.playback import together
from simulators.scenario import SCENARIOS, Scenario, read_scenario
from simulators.schedule import microseconds
from simulators.truth import Truth, played
from simulators.wire import BadWire

_GRACE: Final = timedelta(seconds=1)
"""More than --seconds, for what is on its way to arrive."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a play goes on: `since` None is now, `until` None is for ever."""

    now: datetime
    since: datetime | None
    until: datetime | None
    rate: float
    speed: float
    longest: timedelta | None = None
    """After this time it is over even if nobody could be reached; None where everything is to be delivered."""

    @property
    def start(self) -> datetime:
        """The first moment played."""
        return self.since or self.now

    @property
    def past_until(self) -> datetime | None:
        """Where what can be measured ends: at `until`, or where the past meets the present; None for live alone."""
        return self.until or (self.now if self.since is not None else None)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that the faces play."""

    machines: Sequence[Machine]
    wires: Mapping[str, Sequence[BadWire]]
    truth: Sequence[Truth]
    span: Span


def span(
    *,
    now: datetime,
    since: datetime | None,
    until: datetime | None,
    seconds: float | None,
    rate: float,
    speed: float,
) -> Span:
    """Settle when the play goes on. A play faster than life begins in the past and ends when it meets the present."""
    if until is not None and seconds is not None:
        raise InvalidSettingError("--until and --seconds both say when to stop: give one of them")
    if speed > 1.0 and since is None:
        raise InvalidSettingError(f"--speed {speed:g} needs --from: faster than life can be played only what is past")
    if seconds is not None:
        until = (
            now + timedelta(seconds=seconds) if speed == 1.0 else (since or now) + timedelta(seconds=seconds * speed)
        )
    elif until is None and speed > 1.0 and since is not None:
        until = now + (now - since) / (speed - 1.0)
    if until is not None and until <= (since or now):
        raise InvalidSettingError("--until must lie after --from, or after now where --from is not given")
    longest = None if seconds is None else timedelta(seconds=seconds) + _GRACE
    return Span(now=now, since=since, until=until, rate=rate, speed=speed, longest=longest)


def plan(machines: Sequence[Machine], span: Span, scenarios: Sequence[str]) -> Plan:
    """Give the play of these machines with all that the scenarios do to them; the truth is that of what is played."""
    whole = Scenario()
    for name in scenarios:
        whole = whole + read_scenario(scenario_file(name))
    start_us = microseconds(span.start, "--from")
    end_us = None if span.until is None else microseconds(span.until, "--until")
    staged = whole.stage(together(machines), start_us)
    return Plan(machines=staged.machines, wires=staged.wires, truth=played(staged.truth, start_us, end_us), span=span)


def scenario_file(name: str) -> Path:
    """Find a scenario: a file, or the name of one that comes along."""
    if Path(name).suffix in {".yaml", ".yml"} or Path(name).is_file():
        return Path(name)
    file = SCENARIOS / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
        raise InvalidSettingError(f"there is no scenario {name!r}; choose {known}, or give a file as my-scenario.yaml")
    return file
