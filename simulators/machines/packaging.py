"""A packaging line that seals 60 packs a minute, with the jams and waits that overall effectiveness is made of.

Of the 60 minutes of an hour 52 are worked (EXECUTE), 4 lost to jams (HELD), 3 to missing material (SUSPENDED) and 1
to a change of film (STOPPED). The states are PackML's; the signals are those that availability, performance and quality
are worked out from.

    packs    N = 60/min · worked time; every 50th pack is rejected
    speed    v = 60 (1 + 0.01 noise) /min while working, else 0
    current  I = 2.1 + 0.045 v + 0.1 noise  A while working; 6.5 in a jam; else 0.8
    seal     T = 148 + 1.5 wander °C while working; 0.8 of the way to that otherwise
    power    P = 690 I  W

Conditions, each with a level l in 0…1: `jam` holds the line while l is 0.5 or more, and no pack is counted;
`cold_seal` takes 25 l °C from the sealing jaw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from simulators.columns import Column, Numbers, Times
from simulators.conditions import Window
from simulators.machine import Machine
from simulators.signals import Signal, boolean, count, number, text
from simulators.slots import Slots

_SLOTS = Slots(count=60, lost=(4, 3, 1))
_STATES = np.array(["EXECUTE", "HELD", "SUSPENDED", "STOPPED"])
_EXECUTE, _HELD = 0, 1
_PACKS_PER_SECOND = 1.0
_REJECT_EVERY = 50
_JAMMED = 0.5


@dataclass(frozen=True, kw_only=True)
class Packaging(Machine):
    """A packaging line; see the module for its equations."""

    type_name: ClassVar[str] = "packaging"
    title: ClassVar[str] = "Packaging line, 60 packs a minute"
    signals: ClassVar[tuple[Signal, ...]] = (
        text("state", "machine state", "PackML: EXECUTE, HELD (jam), SUSPENDED (no material) or STOPPED"),
        number("machine_speed", "/min", "rate", 0.0, 120.0, 2, "Packs per minute, as the line runs now"),
        number("set_speed", "/min", "rate", 0.0, 120.0, 2, "Packs per minute, as the line should run"),
        count("product_count", "number of packs", "Packs made since the line was commissioned"),
        count("reject_count", "number of packs", "Packs that were rejected"),
        boolean("jam", "alarm", "Whether the jam sensor sees a jam"),
        number("seal_temperature", "Cel", "temperature", 0.0, 250.0, 2, "Temperature of the sealing jaw"),
        number("drive_current", "A", "electric current", 0.0, 20.0, 3, "Current of the main drive"),
        number("power", "W", "active power", 0.0, 15000.0, 1, "Power taken by the line"),
    )
    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "jam": "the line is jammed and stands",
            "cold_seal": "the sealing jaw is 25 °C too cold",
        }
    )

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        place = _SLOTS.place(self.seed, times_us)
        jammed = self.conditions.level("jam", times_us) >= _JAMMED
        sort = np.where(jammed, _HELD, place.sort)
        works = sort == _EXECUTE
        speed = np.where(works, 60.0 * (1.0 + 0.01 * self.noise("speed", times_us)), 0.0)
        current = 2.1 + 0.045 * speed + 0.1 * self.noise("current", times_us)
        current = np.where(works, current, np.where(sort == _HELD, 6.5, 0.8))
        packs = np.maximum(np.floor(_PACKS_PER_SECOND * self._worked_seconds(times_us)), 0.0).astype(np.int64)
        hot = 148.0 + 1.5 * self.wander("seal", times_us, every_s=120)
        cold = 25.0 * self.conditions.level("cold_seal", times_us)
        return {
            "state": _STATES[sort],
            "machine_speed": speed,
            "set_speed": np.full(len(times_us), 60.0),
            "product_count": packs,
            "reject_count": packs // _REJECT_EVERY,
            "jam": sort == _HELD,
            "seal_temperature": np.where(works, hot, 22.0 + 0.8 * (hot - 22.0)) - cold,
            "drive_current": current,
            "power": 690.0 * current,
        }

    def _worked_seconds(self, times_us: Times) -> Numbers:
        """Give the seconds worked since commissioning, less those that windows of `jam` took."""
        worked = self._planned_seconds(times_us)
        for begin, end in _holds(self.conditions.named("jam")):
            before = self._planned_seconds(np.array([begin], dtype=np.int64))
            worked = worked - (self._planned_seconds(np.clip(times_us, begin, end)) - before)
        return worked

    def _planned_seconds(self, times_us: Times) -> Numbers:
        place = _SLOTS.place(self.seed, times_us)
        whole = np.asarray(place.worked * (_SLOTS.length_us * 1e-6), dtype=np.float64)
        return whole + np.where(place.sort == _EXECUTE, place.seconds, 0.0)


def _holds(windows: tuple[Window, ...]) -> list[tuple[int, int]]:
    """Give the stretches of time, apart from one another, in which windows of `jam` hold the line."""
    spans = sorted(
        (window.from_us + round(window.ramp_us * _JAMMED / window.level), window.until_us)
        for window in windows
        if window.level >= _JAMMED
    )
    holds: list[tuple[int, int]] = []
    for begin, end in spans:
        if begin >= end:
            continue
        if holds and begin <= holds[-1][1]:
            holds[-1] = (holds[-1][0], max(end, holds[-1][1]))
        else:
            holds.append((begin, end))
    return holds
