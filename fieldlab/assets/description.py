"""What a source itself says of one of its addresses, before anybody has bound it."""

import math
from dataclasses import dataclass, fields, replace
from typing import Final

from fieldlab.assets.asset import Kind

MOST_LETTERS: Final = 2_000
"""How much of a source's own words is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What stands at an address, as its source says: None where it does not.

    `unit` is a UCUM code where the source's own is known, else the source's text. `quantity` is what is measured, in
    words; `text` what a reader is told of it; `semantic_id` an IRI or IRDI that says what it is; `low` and `high` what
    the sensor can show, in the unit.
    """

    address: str
    kind: Kind | None = None
    unit: str | None = None
    quantity: str | None = None
    text: str | None = None
    semantic_id: str | None = None
    low: float | None = None
    high: float | None = None

    def over(self, before: "Description") -> "Description":
        """Give what is known with an earlier word: what this one leaves open stays as it was."""
        left = {one.name: getattr(before, one.name) for one in fields(self) if getattr(self, one.name) is None}
        return replace(self, **left) if left else self

    @property
    def empty(self) -> bool:
        """Tell whether it says nothing but the address."""
        return all(getattr(self, one.name) is None for one in fields(self) if one.name != "address")


def worded(text: str | None) -> str | None:
    """Give a source's own words as they are kept: trimmed, not too long; None for none."""
    return (text or "").strip()[:MOST_LETTERS] or None


def span(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Give a range as it is kept: both ends finite and in order, else none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low < high):
        return None, None
    return float(low), float(high)
