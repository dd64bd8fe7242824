"""A three-axis CNC mill that makes the same bracket over and over, and wears its tool.

One part takes a slot of 90 s: load, rough, semi-finish, finish, drill, unload. Of the 40 slots of an hour 36 make a
part, two are lost on hold and two idle. With n the spindle speed (1/min), c the cut (0…1, the share of the tool's rated
load) and w the tool's wear (0…1), the equations are:

    wear       w(u) = 0.25 u + 0.15 (1 - (1 - u)⁴) + 0.60 u⁵      u: the part's place in the tool's life of 48 parts
    current    I = 1.6 + 0.00012 n + 9.0 c (1 + 0.35 w) + 0.0025 max(dn/dt, 0)   A, while the spindle turns; else 0
    power      P = 350 + 520 I + 0.02 f                           W; f: feed rate in mm/min
    energy     ∫ P dt, without the noise                          kW.h
    vibration  v = 0.15 + 0.9 (n / 12000)² + c (0.8 + 2.2 w²)     mm/s
    spindle temperature  = 33 + 1.6 day + 5 w + 1.2 wander        °C

Conditions, each with a level l in 0…1: `tool_wear` dulls the tool faster than the controller's count of parts tells, so
that current and vibration follow w + l (1 - w) while the signal `tool_wear` does not; `bearing_defect` adds
l (0.6 + 2.5 n / 12000) mm/s of vibration while the spindle turns, and 12 l °C; `overheating` adds 40 l °C. What
`tool_wear` adds to the energy is summed second by second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simulators import noise, wave
from simulators.columns import Column, Numbers, Times
from simulators.conditions import Conditions, Window
from simulators.integral import Integral, integrate
from simulators.machine import Machine
from simulators.path import Course, Path
from simulators.signals import Signal, count, number, text
from simulators.slots import COMMISSIONED_US, HOUR_US, Slots

TOOL_LIFE = 48
"""Parts that one tool cuts before it is changed."""
_SLOTS = Slots(count=40, lost=(2, 2))
_HOLD, _IDLE = 1, 2
_STATES = np.array(["EXECUTE", "HELD", "IDLE", "RESETTING", "STARTING", "COMPLETING", "COMPLETE"])
_DAY_US = 24 * HOUR_US
_STANDBY, _PER_AMPERE, _PER_FEED = 350.0, 520.0, 0.02


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of the programme: its state, and where speed (1/min), cut (0…1) and tool (mm) stand at its end."""

    seconds: float
    state: str
    speed: float
    cut: float
    to: tuple[float, float, float]


_HOME = (0.0, 0.0, 150.0)
_PROGRAMME = (
    Stretch(seconds=8.0, state="RESETTING", speed=0.0, cut=0.0, to=_HOME),
    Stretch(seconds=4.0, state="STARTING", speed=6000.0, cut=0.0, to=(20.0, 15.0, 40.0)),
    Stretch(seconds=2.0, state="EXECUTE", speed=6000.0, cut=0.0, to=(20.0, 15.0, -2.0)),
    Stretch(seconds=9.0, state="EXECUTE", speed=6000.0, cut=0.85, to=(220.0, 15.0, -2.0)),
    Stretch(seconds=5.0, state="EXECUTE", speed=6000.0, cut=0.80, to=(220.0, 115.0, -2.0)),
    Stretch(seconds=9.0, state="EXECUTE", speed=6000.0, cut=0.85, to=(20.0, 115.0, -2.0)),
    Stretch(seconds=5.0, state="EXECUTE", speed=6000.0, cut=0.80, to=(20.0, 15.0, -2.0)),
    Stretch(seconds=2.0, state="EXECUTE", speed=8000.0, cut=0.0, to=(30.0, 25.0, 5.0)),
    Stretch(seconds=8.0, state="EXECUTE", speed=8000.0, cut=0.50, to=(210.0, 105.0, -6.0)),
    Stretch(seconds=8.0, state="EXECUTE", speed=8000.0, cut=0.50, to=(30.0, 105.0, -6.0)),
    Stretch(seconds=2.0, state="EXECUTE", speed=12000.0, cut=0.0, to=(20.0, 15.0, -1.0)),
    Stretch(seconds=6.0, state="EXECUTE", speed=12000.0, cut=0.22, to=(220.0, 60.0, -6.5)),
    Stretch(seconds=6.0, state="EXECUTE", speed=12000.0, cut=0.22, to=(20.0, 115.0, -6.5)),
    Stretch(seconds=2.0, state="EXECUTE", speed=4000.0, cut=0.0, to=(60.0, 60.0, 5.0)),
    Stretch(seconds=3.0, state="EXECUTE", speed=4000.0, cut=0.65, to=(60.0, 60.0, -18.0)),
    Stretch(seconds=1.0, state="EXECUTE", speed=4000.0, cut=0.0, to=(180.0, 60.0, 5.0)),
    Stretch(seconds=3.0, state="EXECUTE", speed=4000.0, cut=0.65, to=(180.0, 60.0, -18.0)),
    Stretch(seconds=3.0, state="COMPLETING", speed=0.0, cut=0.0, to=_HOME),
    Stretch(seconds=4.0, state="COMPLETE", speed=0.0, cut=0.0, to=_HOME),
)
_FIRST_COMPLETE = next(index for index, stretch in enumerate(_PROGRAMME) if stretch.state == "COMPLETE")


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The programme as paths over one slot: what does not depend on wear, and what multiplies it."""

    course: Course
    states: NDArray[np.int64]
    speed: Path
    cut: Path
    axes: tuple[Path, Path, Path]
    feed: Path
    light: Path
    """Current without the cut, in A."""
    energy_of_life: NDArray[np.float64]
    """Watt-seconds above standby that the parts of a tool's life took before the k-th, k = 0 … TOOL_LIFE."""


def wear_of(part: NDArray[np.int64]) -> Numbers:
    """Give the wear (0…1) with which the tool cuts the part of this number."""
    used = (part % TOOL_LIFE) / TOOL_LIFE
    left = 1.0 - used
    square = used * used
    return 0.25 * used + 0.15 * (1.0 - left * left * left * left) + 0.60 * square * square * used


@cache
def _programme() -> Programme:
    course = Course.of(tuple(stretch.seconds for stretch in _PROGRAMME))
    speeds = tuple(stretch.speed for stretch in _PROGRAMME)
    begun = (0.0, *speeds[:-1])
    places = (_HOME, *(stretch.to for stretch in _PROGRAMME))
    feeds = tuple(
        60.0 * sum((b - a) ** 2 for a, b in zip(here, there, strict=True)) ** 0.5 / stretch.seconds
        for here, there, stretch in zip(places[:-1], places[1:], _PROGRAMME, strict=True)
    )
    pushes = tuple(0.0025 * max(b - a, 0.0) / s.seconds for a, b, s in zip(begun, speeds, _PROGRAMME, strict=True))
    turning = tuple(1.6 if max(a, b) > 0.0 else 0.0 for a, b in zip(begun, speeds, strict=True))
    light = Path.of(
        course,
        tuple(t + 0.00012 * n + p for t, n, p in zip(turning, begun, pushes, strict=True)),
        tuple(t + 0.00012 * n + p for t, n, p in zip(turning, speeds, pushes, strict=True)),
    )
    cuts = tuple(stretch.cut for stretch in _PROGRAMME)
    cut, feed = Path.of(course, cuts, cuts), Path.of(course, feeds, feeds)
    factors = 1.0 + 0.35 * wear_of(np.arange(TOOL_LIFE, dtype=np.int64))
    parts = [_PER_AMPERE * (light.whole + 9.0 * cut.whole * f) + _PER_FEED * feed.whole for f in factors.tolist()]
    axes = [
        Path.of(course, tuple(at[axis] for at in places[:-1]), tuple(at[axis] for at in places[1:]))
        for axis in range(3)
    ]
    return Programme(
        course=course,
        states=np.array([_STATES.tolist().index(stretch.state) for stretch in _PROGRAMME], dtype=np.int64),
        speed=Path.of(course, begun, speeds),
        cut=cut,
        axes=(axes[0], axes[1], axes[2]),
        feed=feed,
        light=light,
        energy_of_life=np.array([sum(parts[:index]) for index in range(TOOL_LIFE + 1)], dtype=np.float64),
    )


@dataclass(frozen=True, kw_only=True)
class Turning:
    """How the spindle turns, one entry a time: revolutions made, speed (1/min), cut, wear and bearing defect (0…1)."""

    revolutions: Numbers
    speed: Numbers
    cut: Numbers
    wear: Numbers
    defect: Numbers


@dataclass(frozen=True, kw_only=True)
class Mill(Machine):
    """A three-axis CNC mill; see the module for its equations."""

    type_name: ClassVar[str] = "mill"
    title: ClassVar[str] = "CNC mill, three axes"
    signals: ClassVar[tuple[Signal, ...]] = (
        text("state", "machine state", "PackML: IDLE, RESETTING, STARTING, EXECUTE, COMPLETING, COMPLETE or HELD"),
        text("program", "programme", "Name of the NC programme of this hour's order"),
        number("cycle_progress", "%", "progress", 0.0, 100.0, 1, "How much of the part's cycle is done"),
        number("spindle_speed", "/min", "rotational speed", 0.0, 15000.0, 1, "Speed of the spindle"),
        number("spindle_current", "A", "electric current", 0.0, 40.0, 3, "Current of the spindle drive"),
        number("spindle_temperature", "Cel", "temperature", 0.0, 120.0, 2, "Temperature of the front spindle bearing"),
        number("feed_rate", "mm/min", "speed", 0.0, 15000.0, 1, "Speed of the tool along its path"),
        number("axis_x", "mm", "position", -10.0, 400.0, 3, "Position of the X axis"),
        number("axis_y", "mm", "position", -10.0, 300.0, 3, "Position of the Y axis"),
        number("axis_z", "mm", "position", -50.0, 200.0, 3, "Position of the Z axis"),
        number("vibration_rms", "mm/s", "vibration velocity", 0.0, 50.0, 4, "Vibration of the spindle housing, RMS"),
        number("tool_wear", "1", "wear", 0.0, 1.0, 4, "Share of the tool's life that is used, 1 is worn out"),
        count("part_count", "number of parts", "Parts made since the machine was commissioned"),
        number("power", "W", "active power", 0.0, 30000.0, 1, "Power taken by the machine"),
        number("energy", "kW.h", "energy", 0.0, 1e9, 4, "Energy taken since the machine was commissioned"),
    )

    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "tool_wear": "the tool is worn out, whatever the count of parts says",
            "bearing_defect": "the front spindle bearing is broken",
            "overheating": "the spindle is 40 °C too hot",
        }
    )

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        programme = _programme()
        place = _SLOTS.place(self.seed, times_us)
        works = place.sort == 0
        stretch, since = programme.course.place(np.where(works, place.seconds, 0.0))

        counted = wear_of(place.worked)
        wear = counted + self.conditions.level("tool_wear", times_us) * (1.0 - counted)
        defect = self.conditions.level("bearing_defect", times_us)
        heat = 12.0 * defect + 40.0 * self.conditions.level("overheating", times_us)
        bluntness = 1.0 + 0.35 * wear
        speed = programme.speed.value(stretch, since)
        turns = speed > 0.0
        cut = programme.cut.value(stretch, since)
        feed = np.where(works, programme.feed.value(stretch, since), 0.0)
        chatter = 0.04 * self.noise("current", times_us) * (1.0 + cut)
        current = np.where(turns, programme.light.value(stretch, since) + 9.0 * cut * bluntness + chatter, 0.0)
        shake = 1.0 + 0.05 * self.noise("vibration", times_us)
        rough = 0.15 + 0.9 * (speed / 12000.0) ** 2 + cut * (0.8 + 2.2 * wear * wear)
        day = wave.sine(wave.turns_of(times_us - 9 * HOUR_US, _DAY_US))
        return {
            "state": _STATES[np.where(works, programme.states[stretch], place.sort)],
            "program": self._program(times_us),
            "cycle_progress": np.where(works, place.seconds * (100.0 / 90.0), 0.0),
            "spindle_speed": np.where(turns, speed + 2.5 * self.noise("speed", times_us), 0.0),
            "spindle_current": current,
            "spindle_temperature": 33.0 + 1.6 * day + 5.0 * wear + 1.2 * self.wander("temperature", times_us) + heat,
            "feed_rate": feed,
            "axis_x": programme.axes[0].value(stretch, since),
            "axis_y": programme.axes[1].value(stretch, since),
            "axis_z": programme.axes[2].value(stretch, since),
            "vibration_rms": (rough + np.where(turns, defect * (0.6 + 2.5 * (speed / 12000.0)), 0.0)) * shake,
            "tool_wear": counted,
            "part_count": np.maximum(place.worked + (works & (stretch >= _FIRST_COMPLETE)), 0),
            "power": _STANDBY + _PER_AMPERE * current + _PER_FEED * feed,
            "energy": self._energy(programme, times_us, place.worked, np.where(works, 1.0, 0.0), stretch, since),
        }

    def turning(self, times_us: Times) -> Turning:
        """Give how the spindle turns at each time; revolutions count from the start of the part's cycle."""
        programme = _programme()
        place = _SLOTS.place(self.seed, times_us)
        stretch, since = programme.course.place(np.where(place.sort == 0, place.seconds, 0.0))
        counted = wear_of(place.worked)
        return Turning(
            revolutions=programme.speed.integral(stretch, since) / 60.0,
            speed=programme.speed.value(stretch, since),
            cut=programme.cut.value(stretch, since),
            wear=counted + self.conditions.level("tool_wear", times_us) * (1.0 - counted),
            defect=self.conditions.level("bearing_defect", times_us),
        )

    def _energy(
        self,
        programme: Programme,
        times_us: Times,
        worked: NDArray[np.int64],
        works: Numbers,
        stretch: NDArray[np.intp],
        since: Numbers,
    ) -> Numbers:
        life, part = worked // TOOL_LIFE, worked % TOOL_LIFE
        before = life * programme.energy_of_life[TOOL_LIFE] + programme.energy_of_life[part]
        amperes = programme.light.integral(stretch, since)
        amperes = amperes + 9.0 * programme.cut.integral(stretch, since) * (1.0 + 0.35 * wear_of(worked))
        now = works * (_PER_AMPERE * amperes + _PER_FEED * programme.feed.integral(stretch, since))
        standby = _STANDBY * (np.maximum(times_us - COMMISSIONED_US, 0) * 1e-6)
        total: Numbers = (standby + before + now + self._dullness(times_us)) / 3.6e6
        return total

    def _dullness(self, times_us: Times) -> Numbers | float:
        """Give the watt-seconds that the condition `tool_wear` has added."""
        windows = self.conditions.named("tool_wear")
        return _added_by(self.seed, windows).at(times_us) if windows else 0.0

    def added_power(self, times_us: Times) -> Numbers:
        """Give the watts that the condition `tool_wear` adds."""
        turning = self.turning(times_us)
        counted = wear_of(_SLOTS.place(self.seed, times_us).worked)
        return _PER_AMPERE * 9.0 * 0.35 * turning.cut * (turning.wear - counted)

    def _program(self, times_us: Times) -> NDArray[np.str_]:
        names = np.array([f"P{number:04d}" for number in range(400, 464)])
        drawn = noise.hashes(noise.key(self.seed, "program"), times_us // HOUR_US) % np.uint64(len(names))
        return np.take(names, drawn.astype(np.intp))


@lru_cache(maxsize=64)
def _added_by(seed: int, windows: tuple[Window, ...]) -> Integral:
    mill = Mill(asset="mill", seed=seed, conditions=Conditions(windows=windows))
    return integrate(mill.added_power, min(one.from_us for one in windows), max(one.until_us for one in windows))
