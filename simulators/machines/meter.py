"""The hall's three-phase energy meter, which follows the hall's working week.

With s the share of the hall at work (0…1, see `simulators.week`) and k a phase's share of the load (0.36, 0.33, 0.31):

    active power    Pₖ = k (6 + 44 s) (1 + 0.03 wander + 0.01 noise)   kW
    voltage         Uₖ = 231.5 - 0.02 k (6 + 44 s) + 0.8 wander        V
    power factor    λ = 0.84 + 0.10 s
    current         Iₖ = Pₖ / (Uₖ λ)                                   A
    P = ΣPₖ, S = P / λ, Q = √(S² - P²)
    frequency       f = 50 + 0.02 wander                              Hz
    energy          ∫ (6 + 44 s) dt                                    kW.h

Condition `phase_loss`, with a level l in 0…1, takes l of the load and 0.05 l of the voltage of phase 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from simulators.columns import Column, Times
from simulators.machine import Machine
from simulators.signals import Signal, number
from simulators.slots import COMMISSIONED_US, HOUR_US
from simulators.week import working_week

_SHARES = (0.36, 0.33, 0.31)
_BASE_KW, _WORK_KW = 6.0, 44.0
_WEAK_PHASE = 2


@dataclass(frozen=True, kw_only=True)
class Meter(Machine):
    """A three-phase energy meter; see the module for its equations."""

    type_name: ClassVar[str] = "meter"
    title: ClassVar[str] = "Three-phase energy meter of the hall"
    signals: ClassVar[tuple[Signal, ...]] = (
        *(number(f"voltage_{n}", "V", "voltage", 0.0, 300.0, 2, f"Voltage of phase {n} to neutral") for n in (1, 2, 3)),
        *(number(f"current_{n}", "A", "electric current", 0.0, 400.0, 3, f"Current of phase {n}") for n in (1, 2, 3)),
        *(number(f"power_{n}", "W", "active power", 0.0, 9e4, 1, f"Active power of phase {n}") for n in (1, 2, 3)),
        number("power", "W", "active power", 0.0, 2.7e5, 1, "Active power of all phases"),
        number("reactive_power", "var", "reactive power", 0.0, 2.7e5, 1, "Reactive power of all phases"),
        number("apparent_power", "V.A", "apparent power", 0.0, 2.7e5, 1, "Apparent power of all phases"),
        number("power_factor", "1", "power factor", 0.0, 1.0, 4, "Active by apparent power"),
        number("frequency", "Hz", "frequency", 45.0, 55.0, 3, "Frequency of the mains"),
        number("energy", "kW.h", "energy", 0.0, 1e9, 4, "Energy taken since the meter was commissioned"),
    )
    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType({"phase_loss": "phase 3 carries no load"})

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        week = working_week()
        share = week.share(times_us)
        load = 1000.0 * (_BASE_KW + _WORK_KW * share)
        factor = 0.84 + 0.10 * share
        lost = self.conditions.level("phase_loss", times_us)
        values: dict[str, Column] = {}
        total = np.zeros(len(times_us), dtype=np.float64)
        for phase, part in enumerate(_SHARES):
            name = str(phase + 1)
            left = 1.0 - lost if phase == _WEAK_PHASE else 1.0
            sag = 1.0 - 0.05 * lost if phase == _WEAK_PHASE else 1.0
            unrest = 1.0 + 0.03 * self.wander(f"load_{name}", times_us, every_s=60)
            power = part * load * left * (unrest + 0.01 * self.noise(f"load_{name}", times_us))
            voltage = sag * (231.5 - 2e-5 * part * load + 0.8 * self.wander(f"voltage_{name}", times_us))
            values[f"voltage_{name}"] = voltage
            values[f"current_{name}"] = power / (voltage * factor)
            values[f"power_{name}"] = power
            total = total + power
        apparent = total / factor
        hours = np.maximum(times_us - COMMISSIONED_US, 0) / HOUR_US
        return values | {
            "power": total,
            "apparent_power": apparent,
            "reactive_power": np.sqrt(apparent * apparent - total * total),
            "power_factor": factor,
            "frequency": 50.0 + 0.02 * self.wander("frequency", times_us, every_s=20),
            "energy": np.where(hours > 0.0, _BASE_KW * hours + _WORK_KW * week.hours(times_us), 0.0),
        }
