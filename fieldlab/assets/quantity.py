"""What a unit measures, where it can measure one thing only: the quantity of a UCUM code, by its dimension; pure."""

import re
from functools import lru_cache
from typing import Final

Dimension = tuple[int, ...]
"""The exponents of length, mass, time, electric current, temperature, luminous intensity and amount."""

_NAMED: Final = {
    "N.m": "torque", "V.A": "apparent power", "var": "reactive power", "Hz": "frequency", "deg": "angle",
    "rad": "angle", "rad/s": "angular velocity", "deg/s": "angular velocity", "[pH]": "pH", "lx": "illuminance",
    "lm": "luminous flux",
}  # fmt: skip
"""Codes that share their dimension with another quantity."""

_ATOMS: Final[dict[str, Dimension]] = {
    "m": (1, 0, 0, 0, 0, 0, 0), "g": (0, 1, 0, 0, 0, 0, 0), "t": (0, 1, 0, 0, 0, 0, 0), "s": (0, 0, 1, 0, 0, 0, 0),
    "min": (0, 0, 1, 0, 0, 0, 0), "h": (0, 0, 1, 0, 0, 0, 0), "d": (0, 0, 1, 0, 0, 0, 0),
    "A": (0, 0, 0, 1, 0, 0, 0), "K": (0, 0, 0, 0, 1, 0, 0), "Cel": (0, 0, 0, 0, 1, 0, 0),
    "[degF]": (0, 0, 0, 0, 1, 0, 0), "cd": (0, 0, 0, 0, 0, 1, 0), "mol": (0, 0, 0, 0, 0, 0, 1),
    "L": (3, 0, 0, 0, 0, 0, 0), "N": (1, 1, -2, 0, 0, 0, 0), "Pa": (-1, 1, -2, 0, 0, 0, 0),
    "bar": (-1, 1, -2, 0, 0, 0, 0), "J": (2, 1, -2, 0, 0, 0, 0), "W": (2, 1, -3, 0, 0, 0, 0),
    "V": (2, 1, -3, -1, 0, 0, 0), "Ohm": (2, 1, -3, -2, 0, 0, 0), "S": (-2, -1, 3, 2, 0, 0, 0),
    "C": (0, 0, 1, 1, 0, 0, 0), "F": (-2, -1, 4, 2, 0, 0, 0), "H": (2, 1, -2, -2, 0, 0, 0),
    "T": (0, 1, -2, -1, 0, 0, 0), "[in_i]": (1, 0, 0, 0, 0, 0, 0), "[psi]": (-1, 1, -2, 0, 0, 0, 0),
}  # fmt: skip
_WITHOUT_PREFIX: Final = {"min", "h", "d", "Cel", "[degF]", "[in_i]", "[psi]"}
_PREFIXES: Final = ("da", *"YZEPTGMkhdcmunpfazy")

_QUANTITIES: Final[dict[Dimension, str]] = {
    (1, 0, 0, 0, 0, 0, 0): "length", (2, 0, 0, 0, 0, 0, 0): "area", (3, 0, 0, 0, 0, 0, 0): "volume",
    (0, 1, 0, 0, 0, 0, 0): "mass", (0, 0, 1, 0, 0, 0, 0): "time", (0, 0, 0, 1, 0, 0, 0): "electric current",
    (0, 0, 0, 0, 1, 0, 0): "temperature", (0, 0, 0, 0, 0, 1, 0): "luminous intensity",
    (0, 0, 0, 0, 0, 0, 1): "amount of substance", (1, 0, -1, 0, 0, 0, 0): "speed",
    (1, 0, -2, 0, 0, 0, 0): "acceleration", (3, 0, -1, 0, 0, 0, 0): "volume flow",
    (0, 1, -1, 0, 0, 0, 0): "mass flow", (-3, 1, 0, 0, 0, 0, 0): "density", (1, 1, -2, 0, 0, 0, 0): "force",
    (-1, 1, -2, 0, 0, 0, 0): "pressure", (2, 1, -2, 0, 0, 0, 0): "energy", (2, 1, -3, 0, 0, 0, 0): "power",
    (2, 1, -3, -1, 0, 0, 0): "voltage", (2, 1, -3, -2, 0, 0, 0): "electric resistance",
    (-2, -1, 3, 2, 0, 0, 0): "electric conductance", (-3, -1, 3, 2, 0, 0, 0): "electric conductivity",
    (0, 0, 1, 1, 0, 0, 0): "electric charge", (-2, -1, 4, 2, 0, 0, 0): "electric capacitance",
    (2, 1, -2, -2, 0, 0, 0): "inductance", (0, 1, -2, -1, 0, 0, 0): "magnetic flux density",
    (-1, 1, -1, 0, 0, 0, 0): "dynamic viscosity", (2, 0, -1, 0, 0, 0, 0): "kinematic viscosity",
    (0, 1, -3, 0, 0, 0, 0): "irradiance",
}  # fmt: skip

_PARTS: Final = re.compile(r"([./]?)([A-Za-z]+|\[[^\]]+\])(-?\d)?", flags=re.ASCII)
_LONGEST: Final = 40


@lru_cache(1_000)
def quantity_of(unit: str) -> str | None:
    """Give what a UCUM code measures: `temperature` for `Cel`; None for `1`, `%`, `/min` and what is not known."""
    if unit in _NAMED:
        return _NAMED[unit]
    dimension = _dimension(unit)
    return None if dimension is None else _QUANTITIES.get(dimension)


def _dimension(unit: str) -> Dimension | None:
    """Multiply the dimensions of a code's parts; None for a code that is not made of known parts."""
    exponents = [0] * 7
    at = 0
    for part in _PARTS.finditer(unit[:_LONGEST]):
        operator, name, power = part.groups()
        atom = _atom(name)
        if part.start() != at or atom is None or (operator == "." and not at) or (at and not operator):
            return None
        times = int(power or 1) * (-1 if operator == "/" else 1)
        exponents = [before + times * more for before, more in zip(exponents, atom, strict=True)]
        at = part.end()
    return tuple(exponents) if at and at == len(unit) else None


def _atom(name: str) -> Dimension | None:
    """Give the dimension of a unit, with a metric prefix or without one."""
    if name in _ATOMS:
        return _ATOMS[name]
    for prefix in _PREFIXES:
        rest = name.removeprefix(prefix)
        if rest != name and rest in _ATOMS and rest not in _WITHOUT_PREFIX:
            return _ATOMS[rest]
    return None
