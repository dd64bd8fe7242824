"""The catalogue, asked page by page as one looks at it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from fieldlab_client.connection import Connection
from fieldlab_client.listing import Listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """A stretch that you may have from one owner; `purposes` are those of which one must be stated."""

    start: str
    until: str
    owner: str
    trial: str | None
    agreement: str | None
    licence: str | None
    purposes: tuple[str, ...]
    shape: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A stream of which you may have something."""

    reference: str
    asset: str
    name: str
    unit: str
    quantity: str
    description: str
    kind: str
    nature: str
    first: str | None
    last: str | None
    rate: float | None
    coverage: tuple[Coverage, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose stretches of it you may have."""
        return tuple(sorted({one.owner for one in self.coverage}))

    @property
    def licences(self) -> tuple[str, ...]:
        """What agreements declare of them."""
        return tuple(sorted({one.licence for one in self.coverage if one.licence}))

    @property
    def purposes(self) -> tuple[str, ...]:
        """Of these one must be stated, where there are any."""
        return tuple(sorted({purpose for one in self.coverage for purpose in one.purposes}))

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read one of an answer."""
        plain = ("reference", "asset", "name", "unit", "quantity", "description", "kind", "nature", "first", "last")
        return cls(
            **{name: document[name] for name in plain},
            rate=document.get("rate"),
            coverage=tuple(
                Coverage(
                    start=one["from"],
                    until=one["until"],
                    owner=one["owner"],
                    trial=one["trial"],
                    agreement=one["basis"].get("agreement"),
                    licence=one["licence"],
                    purposes=tuple(one["purposes"]),
                    shape=one["shape"],
                )
                for one in document["coverage"]
            ),
        )


_COLUMNS: Final = (
    *(name for name in Entry.__slots__ if name != "coverage"),
    *("owners", "licences", "purposes"),
)


class Catalogue(Listing[Entry]):
    """What you may have. Nothing is asked before you look, and no more than you look at."""

    def __init__(self, connection: Connection, question: Mapping[str, str | None]) -> None:
        super().__init__(connection, "/v1/catalogue", question, Entry.read, _COLUMNS)

    def _line(self, item: Entry) -> str:
        return f"{item.reference} [{item.unit}] {item.description or item.quantity}"
