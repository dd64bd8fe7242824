"""What a machine can be heard to say: its signals, described so that a catalogue can be written from them."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The sort of value a signal carries."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One measured quantity of a machine.

    `unit` is a UCUM code, empty for booleans and texts. `low` and `high` are what the sensor shows. `decimals` is its
    resolution: values are rounded to it, or left alone if it is None. `whole` marks a count, carried as an integer.
    """

    name: str
    quantity: str
    unit: str = ""
    kind: Kind = Kind.NUMBER
    low: float | None = None
    high: float | None = None
    decimals: int | None = 3
    whole: bool = False
    description: str = ""


def number(name: str, unit: str, quantity: str, low: float, high: float, decimals: int, description: str) -> Signal:
    """Describe a measured number, in `unit` (UCUM), shown by its sensor between `low` and `high`."""
    return Signal(
        name=name, unit=unit, quantity=quantity, low=low, high=high, decimals=decimals, description=description
    )


def count(name: str, quantity: str, description: str) -> Signal:
    """Describe a counter: a whole number that never falls."""
    return Signal(name=name, unit="1", quantity=quantity, low=0.0, decimals=0, whole=True, description=description)


def text(name: str, quantity: str, description: str) -> Signal:
    """Describe a text, such as a state."""
    return Signal(name=name, quantity=quantity, kind=Kind.TEXT, description=description)


def boolean(name: str, quantity: str, description: str) -> Signal:
    """Describe a switch: on or off."""
    return Signal(name=name, quantity=quantity, kind=Kind.BOOLEAN, description=description)
