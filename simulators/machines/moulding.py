"""An injection moulding machine: one shot every 30 s, four barrel zones under control, a little scrap.

Of the 120 slots of an hour 112 give a good part, 5 a short shot (scrap) and 3 pass idle. The equations are:

    zone temperature  T = T_set + 0.5 sin(2π t / 40 s) + 0.4 wander            °C; each zone with a phase of its own
    heater            u = 100 (G (T - 25) + C dT/dt) / 3000                    %; G in W/K, C in J/K: what T needs
    pressure, screw, clamp: straight lines over the shot; a short shot reaches 0.82 of the pressure
    power             P = 1200 + 30 (u₁ + u₂ + u₃ + u₄) + drive                 W
    energy            ∫ P dt at the mean heat, without noise                   kW.h

Conditions, each with a level l in 0…1: `overheating` sticks the relay of zone 3: its heater shows 100 % and its
temperature rises by 45 l °C; `worn_check_valve` lets the cushion drift by 8 l mm and takes 0.2 l of the pressure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simulators import wave
from simulators.columns import Column, Numbers, Times
from simulators.machine import Machine
from simulators.path import Course, Path
from simulators.signals import Signal, count, number, text
from simulators.slots import COMMISSIONED_US, Slots

_SLOTS = Slots(count=120, lost=(5, 3))
_SCRAP, _IDLE = 1, 2
_STATES = np.array(["IDLE", "CLOSING", "INJECTION", "HOLDING", "COOLING", "OPENING", "EJECTING"])
_RIPPLE_US = 40_000_000
_RIPPLE_RATE = 2.0 * 3.141592653589793 / 40.0
_SET = (205.0, 215.0, 225.0, 230.0)
_LOSS, _HEAT = (5.2, 5.6, 6.0, 6.4), 4500.0
_STANDBY, _HEATER = 1200.0, 3000.0
_WEAK_ZONE = 2


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of the shot, and where it ends: pressure in bar, screw in mm, clamp in kN; drive power in W."""

    state: str
    seconds: float
    pressure: float
    screw: float
    clamp: float
    drive: float


_START = Stretch(state="IDLE", seconds=0.0, pressure=0.0, screw=118.0, clamp=0.0, drive=0.0)
_SHOT = (
    Stretch(state="CLOSING", seconds=1.5, pressure=0.0, screw=118.0, clamp=1200.0, drive=9000.0),
    Stretch(state="INJECTION", seconds=1.5, pressure=950.0, screw=20.0, clamp=1200.0, drive=22000.0),
    Stretch(state="HOLDING", seconds=5.5, pressure=600.0, screw=12.0, clamp=1200.0, drive=7000.0),
    Stretch(state="COOLING", seconds=9.0, pressure=80.0, screw=118.0, clamp=1200.0, drive=11000.0),
    Stretch(state="COOLING", seconds=8.0, pressure=0.0, screw=118.0, clamp=1200.0, drive=1500.0),
    Stretch(state="OPENING", seconds=1.5, pressure=0.0, screw=118.0, clamp=0.0, drive=6000.0),
    Stretch(state="EJECTING", seconds=3.0, pressure=0.0, screw=118.0, clamp=0.0, drive=3000.0),
)
_FIRST_EJECTING = len(_SHOT) - 1


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot as paths over its slot."""

    course: Course
    states: NDArray[np.int64]
    pressure: Path
    screw: Path
    clamp: Path
    drive: Path


@cache
def _shot() -> Shot:
    course = Course.of(tuple(stretch.seconds for stretch in _SHOT))
    before = (_START, *_SHOT[:-1])
    drives = tuple(stretch.drive for stretch in _SHOT)
    return Shot(
        course=course,
        states=np.array([_STATES.tolist().index(stretch.state) for stretch in _SHOT], dtype=np.int64),
        pressure=Path.of(course, tuple(s.pressure for s in before), tuple(s.pressure for s in _SHOT)),
        screw=Path.of(course, tuple(s.screw for s in before), tuple(s.screw for s in _SHOT)),
        clamp=Path.of(course, tuple(s.clamp for s in before), tuple(s.clamp for s in _SHOT)),
        drive=Path.of(course, drives, drives),
    )


@dataclass(frozen=True, kw_only=True)
class Moulding(Machine):
    """An injection moulding machine; see the module for its equations."""

    type_name: ClassVar[str] = "moulding"
    title: ClassVar[str] = "Injection moulding machine, 120 t"
    signals: ClassVar[tuple[Signal, ...]] = (
        text("state", "machine state", "IDLE, CLOSING, INJECTION, HOLDING, COOLING, OPENING or EJECTING"),
        *(number(f"zone_{n}", "Cel", "temperature", 0.0, 400.0, 2, f"Temperature of zone {n}") for n in range(1, 5)),
        *(number(f"heater_{n}", "%", "duty", 0.0, 100.5, 1, f"Duty of heater {n}") for n in range(1, 5)),
        number("injection_pressure", "bar", "pressure", 0.0, 2500.0, 1, "Pressure before the screw"),
        number("screw_position", "mm", "position", 0.0, 150.0, 2, "Position of the screw"),
        number("clamping_force", "kN", "force", 0.0, 1500.0, 1, "Force that holds the mould shut"),
        number("mould_temperature", "Cel", "temperature", 0.0, 150.0, 2, "Temperature of the mould"),
        count("shot_count", "number of shots", "Shots made since the machine was commissioned"),
        count("scrap_count", "number of parts", "Shots that gave no good part"),
        number("power", "W", "active power", 0.0, 60000.0, 0, "Power taken by the machine"),
        number("energy", "kW.h", "energy", 0.0, 1e9, 3, "Energy taken since the machine was commissioned"),
    )
    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "overheating": "the relay of barrel zone 3 sticks and the zone is 45 °C too hot",
            "worn_check_valve": "the check valve leaks: less pressure, a drifting cushion",
        }
    )

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        shot = _shot()
        place = _SLOTS.place(self.seed, times_us)
        runs = place.sort != _IDLE
        stretch, since = shot.course.place(np.where(runs, place.seconds, 0.0))
        leak = self.conditions.level("worn_check_valve", times_us)
        short = np.where(place.sort == _SCRAP, 0.82, 1.0) * (1.0 - 0.2 * leak)
        pressure = np.where(runs, shot.pressure.value(stretch, since), 0.0) * short
        drive = np.where(runs, shot.drive.value(stretch, since), 0.0)
        ejected = runs & (stretch >= _FIRST_EJECTING)
        made = place.before[:, 0] + place.before[:, _SCRAP]
        values: dict[str, Column] = {
            "state": _STATES[np.where(runs, shot.states[stretch], 0)],
            "injection_pressure": pressure * (1.0 + 0.004 * self.noise("pressure", times_us)),
            "screw_position": np.where(runs, shot.screw.value(stretch, since), _START.screw) - 8.0 * leak,
            "clamping_force": np.where(runs, shot.clamp.value(stretch, since), 0.0),
            "mould_temperature": 42.0 + 3.0 * (pressure / 950.0) + 0.8 * self.wander("mould", times_us),
            "shot_count": np.maximum(made + ejected, 0),
            "scrap_count": np.maximum(place.before[:, _SCRAP] + (ejected & (place.sort == _SCRAP)), 0),
        }
        duties = np.zeros(len(times_us), dtype=np.float64)
        for zone in range(4):
            temperature, duty = self._zone(zone, times_us)
            values[f"zone_{zone + 1}"], values[f"heater_{zone + 1}"] = temperature, duty
            duties = duties + duty
        values["power"] = _STANDBY + 0.01 * _HEATER * duties + drive
        steady = _STANDBY + sum(loss * (level - 25.0) for loss, level in zip(_LOSS, _SET, strict=True))
        elapsed = np.maximum(times_us - COMMISSIONED_US, 0) * 1e-6
        now = np.where(runs, shot.drive.integral(stretch, since), 0.0)
        values["energy"] = (steady * elapsed + made * shot.drive.whole + now) / 3.6e6
        return values

    def _zone(self, zone: int, times_us: Times) -> tuple[Numbers, Numbers]:
        """Give temperature and duty of a zone."""
        stuck = self.conditions.level("overheating", times_us) if zone == _WEAK_ZONE else np.zeros(len(times_us))
        turns = wave.turns_of(times_us, _RIPPLE_US) + 0.23 * zone
        temperature = _SET[zone] + 0.5 * wave.sine(turns) + 0.4 * self.wander(f"zone_{zone}", times_us)
        slope = 0.5 * _RIPPLE_RATE * wave.cosine(turns)
        duty = 100.0 * (_LOSS[zone] * (temperature - 25.0) + _HEAT * slope) / _HEATER
        return temperature + 45.0 * stuck, np.where(stuck > 0.0, 100.0, np.clip(duty, 0.0, 100.0))
