"""What every simulated machine is: a description and a pure function of seed and time."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from simulators import noise
from simulators.columns import Column, Columns, Numbers, Times
from simulators.conditions import NOMINAL, Conditions
from simulators.errors import InvalidSettingError
from simulators.sensor import BadSensor, SensorFault
from simulators.signals import Kind, Signal

_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Machine(ABC):
    """One machine on the floor, called `asset`.

    The same class, seed, faults and time give the same values to the bit, in whatever order, number and company
    they are asked for. Nothing is remembered between two calls; no clock is read.
    """

    type_name: ClassVar[str]
    title: ClassVar[str]
    signals: ClassVar[tuple[Signal, ...]]
    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The conditions that the machine's equations know, by name, each with what it does at level 1."""

    asset: str
    seed: int = 0
    conditions: Conditions = NOMINAL
    bad_sensors: tuple[BadSensor, ...] = ()

    def __post_init__(self) -> None:
        if not _ASSET.fullmatch(self.asset):
            raise InvalidSettingError(
                f"asset {self.asset!r} cannot be part of a topic: use letters, digits, '.', '_' and '-', as in 'mill-1'"
            )
        for window in self.conditions.windows:
            if window.name not in self.weaknesses:
                known = ", ".join(sorted(self.weaknesses)) or "none"
                raise InvalidSettingError(
                    f"{self.asset}: a {self.type_name} knows no {window.name!r}; it knows {known}"
                )

        for bad in self.bad_sensors:
            kind = next((signal.kind for signal in self.signals if signal.name == bad.signal), None)
            if kind is None:
                raise InvalidSettingError(f"{self.asset}: a {self.type_name} has no signal {bad.signal!r}")
            if kind is not Kind.NUMBER and bad.fault is not SensorFault.STUCK:
                raise InvalidSettingError(f"{self.asset}: {bad.signal} is no number, it can only be stuck")

    def at(self, times_us: Times) -> Columns:
        """Give every signal at each time (microseconds since the Unix epoch, UTC), rounded to its resolution."""
        times = np.ascontiguousarray(times_us, dtype=np.int64)
        raw = dict(self._equations(times))
        for bad in self.bad_sensors:
            raw[bad.signal] = bad.bend(self.seed, times, raw[bad.signal], partial(self._right, bad.signal))
        return Columns(
            times_us=times, values={signal.name: _shown(signal, raw[signal.name]) for signal in self.signals}
        )

    def noise(self, name: str, times_us: Times) -> Numbers:
        """Give this machine's own noise of that name: mean 0, deviation 1, fresh at every time."""
        return noise.normal(noise.key(self.seed, name), times_us)

    def wander(self, name: str, times_us: Times, every_s: int = 600) -> Numbers:
        """Give this machine's own slow drift of that name: about 0, with a new random point every `every_s` seconds."""
        return noise.wander(noise.key(self.seed, name), times_us, every_s * 1_000_000)

    def _right(self, signal: str, times_us: Times) -> Column:
        """Give a signal as its sensor would show it if nothing were wrong with that."""
        return self._equations(times_us)[signal]

    @abstractmethod
    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        """Give the unrounded values of every signal by name."""


def _shown(signal: Signal, column: Column) -> Column:
    """Give a column as the machine's controller would show it."""
    if signal.kind is not Kind.NUMBER:
        return column
    if signal.whole:
        return column.astype(np.int64)
    numbers: Numbers = column.astype(np.float64)
    if signal.low is not None or signal.high is not None:
        numbers = np.clip(numbers, signal.low, signal.high)
    if signal.decimals is not None:
        numbers = np.round(numbers, signal.decimals)
    return numbers + 0.0
