"""A list of the lab, asked page by page as one looks at it; as a frame where all of it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from fieldlab_client.connection import Connection

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Item = TypeVar("Item")
_SHOWN: Final = 10
_MOMENTS: Final = frozenset(
    {
        "at",
        "start",
        "until",
        "first",
        "last",
        "sealed_at",
        "proposed_at",
        "answer_by",
        "requested_at",
        "expires_at",
        "finished_at",
    }
)
"""Columns that are times."""


class Listing(Generic[Item]):
    """Nothing is asked before you look, and no more than you look at. Each time you look it is asked anew."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        question: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Item],
        columns: Sequence[str],
    ) -> None:
        """Read items with `read`; `columns` are those of its properties that make a table."""
        self._connection = connection
        self._path = path
        self._question = question
        self._read = read
        self._columns = tuple(columns)

    def __iter__(self) -> Iterator[Item]:
        """Give the items in the lab's order, asking for pages as they are needed."""
        return (self._read(document) for document in self._connection.pages(self._path, self._question))

    def first(self, most: int = 1) -> list[Item]:
        """Give the first few."""
        return list(islice(self, most))

    def frame(self) -> pd.DataFrame:
        """Give all of it as a pandas frame, with times in UTC; an open end is none (`NaT`)."""
        import pandas as pd

        rows = self._rows()
        made = pd.DataFrame(rows, columns=[*self._columns])
        for place, name in enumerate(self._columns):
            if name in _MOMENTS:
                texts = pd.Series([_finite(row[place]) for row in rows], dtype="string")
                made[name] = pd.to_datetime(texts, utc=True, format="ISO8601")
        return made

    def polars(self) -> pl.DataFrame:
        """Give all of it as a polars frame, with times in UTC; an open end is null."""
        import polars as pl

        made = pl.DataFrame(self._rows(), schema=[*self._columns], orient="row", infer_schema_length=None)
        return made.with_columns(
            pl.Series(name, [_finite(one) for one in made[name]], pl.String).str.to_datetime(
                time_unit="us", time_zone="UTC"
            )
            for name in self._columns
            if name in _MOMENTS
        )

    def _rows(self) -> list[list[Any]]:
        return [[_plain(getattr(item, name)) for name in self._columns] for item in self]

    def __repr__(self) -> str:
        """Show the first ones, as a notebook does."""
        shown = self.first(_SHOWN + 1)
        lines = [self._line(item) for item in shown[:_SHOWN]]
        return "\n".join([*lines, *(["…"] if len(shown) > len(lines) else [])]) or "nothing"

    def _line(self, item: Item) -> str:
        return str(item)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a column holds
    return [*value] if isinstance(value, tuple) else value


def _finite(moment: str | None) -> str | None:
    return None if moment is None or moment.endswith("infinity") else moment
