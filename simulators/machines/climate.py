"""The climate of the hall: warmer, stuffier, brighter and louder when people and machines are at work.

With s the share of the hall at work (0…1, see `simulators.week`), d the day's sine (highest at 15:00) and y the year's
(in July):

    temperature  T = 20.5 + 2.5 y + 1.2 d + 1.5 s + 0.5 wander          °C
    humidity     H = 46 + 6 y - 2.2 (T - 20.5) + 3 wander               %
    dew point    T_d = T - (100 - H) / 5                                °C, good to 1 °C above 50 %
    CO₂          C = 430 + 480 s + 20 wander                            ppm
    pressure     p = 1013 + 9 wander (a day) + 0.1 noise                hPa
    light        E = 25 + 475 s + 180 max(d, 0)                         lx
    sound        L = 42 + 31 s + 1.5 noise                              dB(A)
    door open    in 6 of the minutes of a working hour

Condition `ventilation_failure`, with a level l in 0…1, adds 900 l s ppm and 4 l s °C.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from simulators import noise, wave
from simulators.columns import Column, Times
from simulators.machine import Machine
from simulators.signals import Signal, boolean, number
from simulators.slots import HOUR_US
from simulators.week import working_week

_DAY_US = 24 * HOUR_US
_YEAR_US = 8766 * HOUR_US
_MINUTE_US = 60_000_000
_PER_DAY_S = 86_400
_OPEN = 0.1


@dataclass(frozen=True, kw_only=True)
class Climate(Machine):
    """The climate of the hall; see the module for its equations."""

    type_name: ClassVar[str] = "climate"
    title: ClassVar[str] = "Hall climate station"
    signals: ClassVar[tuple[Signal, ...]] = (
        number("temperature", "Cel", "temperature", -20.0, 60.0, 2, "Temperature of the air"),
        number("humidity", "%", "relative humidity", 0.0, 100.0, 1, "Relative humidity of the air"),
        number("dew_point", "Cel", "temperature", -40.0, 60.0, 2, "Temperature at which the air's water condenses"),
        number("co2", "[ppm]", "carbon dioxide", 300.0, 5000.0, 0, "Carbon dioxide in the air"),
        number("pressure", "hPa", "pressure", 900.0, 1100.0, 2, "Pressure of the air"),
        number("illuminance", "lx", "illuminance", 0.0, 2000.0, 1, "Light on the working plane"),
        number("sound_level", "dB[A]", "sound level", 20.0, 120.0, 1, "Sound level, A-weighted"),
        boolean("door_open", "switch", "Whether the hall's gate is open"),
    )
    weaknesses: ClassVar[Mapping[str, str]] = MappingProxyType({"ventilation_failure": "the ventilation stands"})

    def _equations(self, times_us: Times) -> Mapping[str, Column]:
        share = working_week().share(times_us)
        day = wave.sine(wave.turns_of(times_us - 9 * HOUR_US, _DAY_US))
        year = wave.sine(wave.turns_of(times_us, _YEAR_US) - 0.28)
        stale = self.conditions.level("ventilation_failure", times_us) * share
        temperature = 20.5 + 2.5 * year + 1.2 * day + 1.5 * share + 0.5 * self.wander("temperature", times_us, 1800)
        temperature = temperature + 4.0 * stale
        humidity = 46.0 + 6.0 * year - 2.2 * (temperature - 20.5) + 3.0 * self.wander("humidity", times_us, 3600)
        minute = noise.uniform(noise.key(self.seed, "door"), times_us // _MINUTE_US)
        swell = self.wander("pressure", times_us, _PER_DAY_S)
        return {
            "temperature": temperature,
            "humidity": humidity,
            "dew_point": temperature - (100.0 - humidity) / 5.0,
            "co2": 430.0 + 480.0 * share + 20.0 * self.wander("co2", times_us) + 900.0 * stale,
            "pressure": 1013.0 + 9.0 * swell + 0.1 * self.noise("pressure", times_us),
            "illuminance": 25.0 + 475.0 * share + 180.0 * np.maximum(day, 0.0),
            "sound_level": 42.0 + 31.0 * share + 1.5 * self.noise("sound", times_us),
            "door_open": (minute < _OPEN) & (share > 0.0),
        }
