"""What a source itself says of one of its addresses, before anybody has bound it."""

from dataclasses import dataclass

from fieldlab.assets.asset import Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What stands at an address, as its source says: None where it does not.

    `unit` is a UCUM code where the source's own is known, else the source's text.
    """

    address: str
    kind: Kind | None = None
    unit: str | None = None
