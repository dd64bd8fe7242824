"""A six-axis robot that picks parts from a conveyor and places them in a fixture.

One part takes a slot of 12 s. Joints move between poses on minimum-jerk curves; of the 300 slots of an hour 15 pass
waiting for a part that does not come. With q the joint angles, ω and ω' their speed and acceleration (rad/s, rad/s²)
and m the mass held (kg), the equations are:

    angle   q(s) = a + (b - a)(10 s³ - 15 s⁴ + 6 s⁵)                    s: 0…1 over the move from a to b
    torque  τᵢ = Jᵢ ω' + Bᵢ ω + Cᵢ clip(ω / 0.02, ±1) + (Gᵢ + 9.81 Lᵢ m) cos(θᵢ)     N·m
            θ₂ = q₂, θ₃ = q₂ + q₃, θ₅ = q₂ + q₃ + q₅: the links that gravity bends; Gᵢ = Lᵢ = 0 elsewhere
    power   P = 180 + Σ |τᵢ ωᵢ| / 0.85                                  W
    mass    2.0…2.6 kg, drawn for each part; held while the gripper is closed
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simulators import noise, wave
from simulators.columns import Column, Numbers, Times
from simulators.machine import Machine
from simulators.path import Course
from simulators.signals import Signal, boolean, count, number, text
from simulators.slots import Slots

_SLOTS = Slots(count=300, lost=(15,))
_STATES = np.array(["WAITING", "APPROACH", "GRIP", "LIFT", "TRANSFER", "PLACE", "RETURN"])
_HOME = (0.0, -60.0, 90.0, 0.0, 60.0, 0.0)
_ABOVE_PICK = (-70.0, -35.0, 95.0, 0.0, 30.0, -20.0)
_PICK = (-70.0, -18.0, 98.0, 0.0, 10.0, -20.0)
_ABOVE_PLACE = (65.0, -30.0, 88.0, 15.0, 32.0, 70.0)
_PLACE = (65.0, -14.0, 92.0, 15.0, 12.0, 70.0)
_MOVES: tuple[tuple[str, float, tuple[float, ...], bool], ...] = (
    ("WAITING", 1.0, _HOME, False),
    ("APPROACH", 1.4, _ABOVE_PICK, False),
    ("APPROACH", 0.8, _PICK, False),
    ("GRIP", 1.0, _PICK, True),
    ("LIFT", 1.0, _ABOVE_PICK, True),
    ("TRANSFER", 2.2, _ABOVE_PLACE, True),
    ("PLACE", 0.9, _PLACE, True),
    ("PLACE", 0.5, _PLACE, False),
    ("RETURN", 0.7, _ABOVE_PLACE, False),
    ("RETURN", 1.5, _HOME, False),
    ("WAITING", 1.0, _HOME, False),
)
_FIRST_RETURN = next(index for index, move in enumerate(_MOVES) if move[0] == "RETURN")
_RADIANS = 0.017453292519943295
_INERTIA = (9.0, 8.0, 3.5, 0.35, 0.30, 0.05)
_VISCOUS = (14.0, 14.0, 8.0, 1.6, 1.4, 0.5)
_COULOMB = (6.0, 7.0, 4.0, 1.0, 0.9, 0.3)
_GRAVITY = (0.0, 95.0, 42.0, 0.0, 3.2, 0.0)
_LEVER = (0.0, 1.15, 0.72, 0.0, 0.14, 0.0)
_NOISE = (0.5, 0.6, 0.4, 0.06, 0.05, 0.02)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The moves of one cycle, as arrays: one entry, or one row of six joints, a move."""

    course: Course
    states: NDArray[np.int64]
    closed: NDArray[np.bool_]
    starts: Numbers
    spans: Numbers


@cache
def _motion() -> Motion:
    poses = np.array([_HOME, *(move[2] for move in _MOVES)], dtype=np.float64)
    return Motion(
        course=Course.of(tuple(move[1] for move in _MOVES)),
        states=np.array([_STATES.tolist().index(move[0]) for move in _MOVES], dtype=np.int64),
        closed=np.array([move[3] for move in _MOVES], dtype=np.bool_),
        starts=poses[:-1],
        spans=poses[1:] - poses[:-1],
    )


@dataclass(frozen=True, kw_only=True)
class Robot(Machine):
    """A six-axis robot; see the module for its equations."""

    type_name: ClassVar[str] = "robot"
    title: ClassVar[str] = "Six-axis robot, pick and place"
    signals: ClassVar[tuple[Signal, ...]] = (
        text("cycle_state", "machine state", "WAITING, APPROACH, GRIP, LIFT, TRANSFER, PLACE or RETURN"),
        count("cycle_count", "number of cycles", "Parts placed since the robot was commissioned"),
        boolean("gripper_closed", "switch", "Whether the gripper is closed"),
        *(number(f"joint_{n}", "deg", "angle", -360.0, 360.0, 4, f"Angle of joint {n}") for n in range(1, 7)),
        *(number(f"torque_{n}", "N.m", "torque", -500.0, 500.0, 3, f"Torque of joint {n}") for n in range(1, 7)),
        number("power", "W", "active power", 0.0, 8000.0, 1, "Power taken by the robot and its controller"),
    )

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        motion = _motion()
        place = _SLOTS.place(self.seed, times_us)
        works = place.sort == 0
        move, since = motion.course.place(np.where(works, place.seconds, 0.0))
        lasts = motion.course.lasts[move]
        s = since / lasts
        square = s * s
        way = square * s * (10.0 - 15.0 * s + 6.0 * square)
        pace = 30.0 * square * (1.0 - 2.0 * s + square) / lasts
        push = 60.0 * s * (1.0 - 3.0 * s + 2.0 * square) / (lasts * lasts)
        closed = motion.closed[move]
        mass = np.where(closed, 2.0 + 0.6 * noise.uniform(noise.key(self.seed, "mass"), place.worked), 0.0)

        spans = [motion.spans[:, joint][move] for joint in range(6)]
        angles = [motion.starts[:, joint][move] + spans[joint] * way for joint in range(6)]
        still = np.zeros_like(s)
        bends = (
            still,
            wave.cosine(angles[1] / 360.0),
            wave.cosine((angles[1] + angles[2]) / 360.0),
            still,
            wave.cosine((angles[1] + angles[2] + angles[4]) / 360.0),
            still,
        )
        values: dict[str, Column] = {
            "cycle_state": _STATES[motion.states[move]],
            "cycle_count": np.maximum(place.worked + (works & (move >= _FIRST_RETURN)), 0),
            "gripper_closed": closed,
        }
        power = np.full_like(s, 180.0)
        for joint in range(6):
            speed = spans[joint] * pace * _RADIANS
            torque = _INERTIA[joint] * (spans[joint] * push * _RADIANS) + _VISCOUS[joint] * speed
            torque = torque + _COULOMB[joint] * np.clip(speed / 0.02, -1.0, 1.0)
            torque = torque + (_GRAVITY[joint] + 9.81 * _LEVER[joint] * mass) * bends[joint]
            torque = torque + _NOISE[joint] * noise.normal(noise.key(self.seed, f"torque_{joint + 1}"), times_us)
            power = power + np.abs(torque * speed) / 0.85
            values[f"joint_{joint + 1}"] = angles[joint]
            values[f"torque_{joint + 1}"] = torque
        values["power"] = power
        return values
