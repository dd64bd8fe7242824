"""Asset types: what a kind of machine measures, as one YAML file a type, for simulated and real machines alike.

The keys of a stream are those of a lab declaration, so that its `streams` can be copied into one; `limits` is what the
sensor can show. A use case that keeps to a type's streams runs on the simulator and on the machine unchanged. The files
are data of the platform, which a test holds against the machines here: neither side imports the other.
"""

from pathlib import Path

import yaml

from simulators.machine import Machine
from simulators.machines import MACHINES
from simulators.signals import Kind, Signal

_QUDT = "http://qudt.org/vocab/quantitykind/"
_SEMANTICS = {
    "active power": "ActivePower",
    "angle": "Angle",
    "apparent power": "ApparentPower",
    "electric current": "ElectricCurrent",
    "energy": "Energy",
    "force": "Force",
    "frequency": "Frequency",
    "illuminance": "Illuminance",
    "power factor": "PowerFactor",
    "pressure": "Pressure",
    "reactive power": "ReactivePower",
    "relative humidity": "RelativeHumidity",
    "rotational speed": "RotationalFrequency",
    "speed": "Speed",
    "temperature": "Temperature",
    "torque": "Torque",
    "voltage": "Voltage",
}


def semantic_id_of(signal: Signal) -> str | None:
    """Give the QUDT identifier of what a signal measures, where QUDT names it."""
    name = _SEMANTICS.get(signal.quantity)
    return f"{_QUDT}{name}" if name else None


def text_of(machine: type[Machine]) -> str:
    """Write the asset type of a machine as YAML."""
    streams = {signal.name: _stream(signal) for signal in machine.signals}
    declared: dict[str, object] = {"type": machine.type_name, "title": machine.title, "streams": streams}
    if machine.weaknesses:
        declared["conditions"] = dict(machine.weaknesses)
    return yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=110)


def write(folder: Path) -> list[Path]:
    """Write the asset type of every machine into a folder, and say which files those are."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.yaml" for name in MACHINES]
    for file, machine in zip(files, MACHINES.values(), strict=True):
        file.write_text(text_of(machine), encoding="utf-8")
    return files


def _stream(signal: Signal) -> dict[str, object]:
    stream: dict[str, object] = {"unit": signal.unit or "1", "quantity": signal.quantity}
    if signal.kind is not Kind.NUMBER:
        stream["kind"] = signal.kind.value
    stream["description"] = signal.description
    if semantic := semantic_id_of(signal):
        stream["semantic_id"] = semantic
    limits = {name: value for name, value in (("low", signal.low), ("high", signal.high)) if value is not None}
    if limits:
        stream["limits"] = limits
    return stream
