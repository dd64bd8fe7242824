"""The catalogue, asked page by page as one looks at it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from fieldlab_client.connection import Connection


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


class Catalogue:
    """What you may have. Nothing is asked before you look, and no more than you look at."""

    def __init__(self, connection: Connection, question: Mapping[str, str | None]) -> None:
        self._connection = connection
        self._question = question

    def __iter__(self) -> Iterator[Entry]:
        """Give the entries by asset and name."""
        return (Entry.read(document) for document in self._connection.pages("/v1/catalogue", self._question))

    def first(self, most: int) -> list[Entry]:
        """Give the first few."""
        return list(islice(self, most))

    def __repr__(self) -> str:
        """Show the first ones, as a notebook does."""
        shown = self.first(11)
        lines = [f"{one.reference} [{one.unit}] {one.description or one.quantity}" for one in shown[:10]]
        return "\n".join([*lines, *(["…"] if len(shown) > len(lines) else [])]) or "nothing"
