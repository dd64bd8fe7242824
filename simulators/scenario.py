"""Scenarios: what goes wrong, with whom and when, read from YAML; and the truth about it, to score a use case by.

    title: A tool that wears too fast, on a bad network
    include: [network.yaml]
    faults:
      - {asset: mill-1, fault: tool_wear, from: 10m, until: 40m, ramp: 20m, level: 0.8}
      - {asset: mill-1, fault: drift, signal: spindle_temperature, from: 5m, until: 1h, by: 12}
      - {asset: mill-1, fault: drop_out, from: 2026-11-21T09:00:00Z, until: 2026-11-21T09:01:00Z}

A fault is a condition of the machine, or one of its sensors' or its wire's. Durations count from the start of the play.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from simulators.conditions import Conditions, Window
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.schedule import microseconds
from simulators.sensor import BadSensor, SensorFault
from simulators.truth import Truth
from simulators.wire import BadWire, WireFault

SCENARIOS = Path(__file__).with_name("scenarios")
"""Where the scenarios lie that come along."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SENSOR = {fault.value for fault in SensorFault}
_WIRE = {fault.value for fault in WireFault}


@dataclass(frozen=True, kw_only=True, slots=True)
class When:
    """A moment: so many microseconds after the start of the play, or since the Unix epoch where `absolute`."""

    us: int
    absolute: bool

    def after(self, start_us: int) -> int:
        """Give the moment in microseconds since the Unix epoch."""
        return self.us if self.absolute else start_us + self.us


def _when(given: object) -> object:
    if isinstance(given, When):
        return given
    if isinstance(given, datetime):
        return When(us=_absolute(given), absolute=True)
    text = str(given)
    if match := _DURATION.fullmatch(text):
        return When(us=round(float(match[1]) * _UNITS_US[match[2]]), absolute=False)
    try:
        return When(us=_absolute(datetime.fromisoformat(text)), absolute=True)
    except ValueError:
        raise ValueError(f"{text!r} is neither a duration (90s, 10m, 2h) nor a time (2026-11-21T08:00:00Z)") from None


def _absolute(moment: datetime) -> int:
    try:
        return microseconds(moment, "time")
    except InvalidSettingError as error:
        raise ValueError(str(error)) from None


Moment = Annotated[When, BeforeValidator(_when)]


class Fault(BaseModel):
    """One entry of `faults`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    asset: str
    fault: str
    begin: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="until")]
    signal: str | None = None
    ramp: Moment = When(us=0, absolute=False)
    level: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    by: float | None = None
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    seconds: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Fault":
        if self.begin.absolute == self.end.absolute and self.end.us <= self.begin.us:
            raise ValueError("until must lie after from")
        if self.fault in _SENSOR and self.signal is None:
            raise ValueError(f"{self.fault} is a sensor's: name its signal")
        if self.fault in _SENSOR - {SensorFault.STUCK} and self.by is None:
            raise ValueError(f"{self.fault} needs by: how far off the sensor is, in the signal's unit")
        if self.fault in {WireFault.CLOCK_SKEW, WireFault.RECONNECT_STORM} and self.seconds is None:
            raise ValueError(f"{self.fault} needs seconds")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    include: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Machines with their faults, the faults of their wires by asset, and the truth about all of them."""

    machines: tuple[Machine, ...]
    wires: dict[str, tuple[BadWire, ...]] = field(default_factory=dict)
    truth: tuple[Truth, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that goes wrong in a play. Two scenarios are joined with `+`."""

    faults: tuple[Fault, ...] = ()

    def __add__(self, other: "Scenario") -> "Scenario":
        return Scenario(faults=(*self.faults, *other.faults))

    def stage(self, machines: Sequence[Machine], start_us: int) -> Staged:
        """Give these machines with what happens to them in a play that starts at `start_us`."""
        known = {machine.asset for machine in machines}
        for fault in self.faults:
            if fault.asset not in known:
                names = ", ".join(sorted(known))
                raise InvalidSettingError(f"the scenario names {fault.asset!r}, which is not played; there is {names}")
        return Staged(
            machines=tuple(self._staged(machine, start_us) for machine in machines),
            wires={asset: self._wire(asset, start_us) for asset in known},
            truth=tuple(sorted((_truth(fault, start_us) for fault in self.faults), key=lambda one: one.from_us)),
        )

    def _staged(self, machine: Machine, start_us: int) -> Machine:
        own = [fault for fault in self.faults if fault.asset == machine.asset and fault.fault not in _WIRE]
        windows = tuple(
            Window(
                name=fault.fault,
                from_us=fault.begin.after(start_us),
                until_us=fault.end.after(start_us),
                ramp_us=fault.ramp.us,
                level=fault.level,
            )
            for fault in own
            if fault.fault not in _SENSOR
        )
        sensors = tuple(
            BadSensor(
                signal=fault.signal or "",
                fault=SensorFault(fault.fault),
                from_us=fault.begin.after(start_us),
                until_us=fault.end.after(start_us),
                by=fault.by or 0.0,
            )
            for fault in own
            if fault.fault in _SENSOR
        )
        return replace(machine, conditions=Conditions(windows=windows), bad_sensors=sensors)

    def _wire(self, asset: str, start_us: int) -> tuple[BadWire, ...]:
        return tuple(
            BadWire(
                fault=WireFault(fault.fault),
                from_us=fault.begin.after(start_us),
                until_us=fault.end.after(start_us),
                share=fault.share,
                seconds=fault.seconds or 0.0,
            )
            for fault in self.faults
            if fault.asset == asset and fault.fault in _WIRE
        )


def read_scenario(path: Path) -> Scenario:
    """Read a scenario and those it includes (relative to it); what does not fit is named with its place in the file."""
    return _read(path, ())


def _read(path: Path, within: tuple[Path, ...]) -> Scenario:
    if path.resolve() in within:
        raise InvalidSettingError(f"{path} includes itself")
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InvalidSettingError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InvalidSettingError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        places = (f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}" for fault in error.errors())
        raise InvalidSettingError(f"{path} is no scenario: {'; '.join(places)}") from None
    whole = Scenario(faults=file.faults)
    for name in file.include:
        whole = whole + _read(path.parent / name, (*within, path.resolve()))
    return whole


def _truth(fault: Fault, start_us: int) -> Truth:
    return Truth(
        asset=fault.asset,
        fault=fault.fault,
        signal=fault.signal or "",
        from_us=fault.begin.after(start_us),
        until_us=fault.end.after(start_us),
    )
