"""An answer: an Arrow table with units, owners, segments and terms beside it; frames made of it keep these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from fieldlab_client.ledger import Checkpoint
from fieldlab_client.segment import Segment

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_BESIDES = ("time", "stream", "status", "origin", "owner", "segment", "partial", "filled", "text")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """Rows with what they mean.

    `table` has the columns `time`, `stream`, then `value` and `status`, or one for each aggregate and `partial`; and
    `owner` and `segment`. `units` gives the UCUM unit of each stream. `checkpoint` is the access ledger's at that time;
    keep it, and `lab.ledger().check(…)` tells later whether the record of who read what was changed since.
    """

    table: pa.Table = field(repr=False)
    units: Mapping[str, str]
    segments: tuple[Segment, ...]
    decided_at: str
    checkpoint: Checkpoint | None = None

    @classmethod
    def read(cls, table: pa.Table, head: Mapping[str, Any]) -> Self:
        """Make one of a table and the JSON that tells of its segments."""
        references = {stream["id"]: f"{stream['asset']}.{stream['name']}" for stream in head["streams"]}
        return cls(
            table=table,
            units={references[stream["id"]]: stream["unit"] for stream in head["streams"]},
            segments=tuple(Segment.read(segment, references) for segment in head["segments"]),
            decided_at=head["decided_at"],
            checkpoint=Checkpoint.read(head["checkpoint"]) if head.get("checkpoint") else None,
        )

    @classmethod
    def of_pages(cls, pages: Iterable[Mapping[str, Any]]) -> Self:
        """Make one of the pages of a JSON answer, whose rows name streams by id and segments by number."""
        tables, heads = [], []
        for page in pages:
            heads.append(page)
            tables.append(_page(page))
        last = heads[-1]
        return cls.read(pa.concat_tables(tables, promote_options="permissive"), last)

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.table.num_rows)

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose data it is."""
        return tuple(sorted({segment.owner for segment in self.segments}))

    @property
    def licences(self) -> tuple[str, ...]:
        """What agreements declare of it."""
        return tuple(sorted({segment.licence for segment in self.segments if segment.licence}))

    def frame(self, *, wide: bool = False) -> pd.DataFrame:
        """Give a pandas frame; `attrs` has `units`, `owners`, `licences`, `segments`, `decided_at` and `checkpoint`.

        With `wide` the index is the time and each stream, or each stream and aggregate, a column; owner and segment are
        in `attrs` alone then.
        """
        made: pd.DataFrame = self.table.to_pandas()
        if wide:
            values = [name for name in self.table.column_names if name not in _BESIDES]
            made = made.pivot(index="time", columns="stream", values=values[0] if len(values) == 1 else values)
        made.attrs.update(
            units=dict(self.units),
            owners=list(self.owners),
            licences=list(self.licences),
            segments=[asdict(segment) for segment in self.segments],
            decided_at=self.decided_at,
            checkpoint=str(self.checkpoint) if self.checkpoint else None,
        )
        return made

    def polars(self) -> pl.DataFrame:
        """Give a polars frame; polars keeps nothing beside the columns, so look here for `units` and `segments`."""
        import polars as pl

        made = pl.from_arrow(self.table)
        if isinstance(made, pl.Series):
            raise TypeError("a table makes a frame")
        return made


def _page(page: Mapping[str, Any]) -> pa.Table:
    references = {stream["id"]: f"{stream['asset']}.{stream['name']}" for stream in page["streams"]}
    owners = {segment["segment"]: segment["owner"] for segment in page["segments"]}
    names: list[str] = page["columns"]
    columns = (
        dict(zip(names, zip(*page["rows"], strict=True), strict=True)) if page["rows"] else dict.fromkeys(names, ())
    )
    made: dict[str, pa.Array] = {}
    for name, cells in columns.items():
        match name:
            case "time":
                made[name] = pa.array(cells, pa.string()).cast(pa.timestamp("us", tz="UTC"))
            case "stream":
                made[name] = pa.array([references[cell] for cell in cells], pa.string())
            case "status" | "segment" | "count":
                made[name] = pa.array(cells, pa.int64())
            case "partial":
                made[name] = pa.array(cells, pa.bool_())
            case _:
                made[name] = _values(cells)
    made["owner"] = pa.array([owners[cell] for cell in columns["segment"]], pa.string())
    return pa.table(
        {
            **{name: made[name] for name in names if name != "segment"},
            "owner": made["owner"],
            "segment": made["segment"],
        }
    )


def _values(cells: Sequence[Any]) -> pa.Array:
    if any(isinstance(cell, str) for cell in cells):
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
    return pa.array(cells, pa.float64())


def head_of(schema: pa.Schema) -> Mapping[str, Any]:
    """Give what an Arrow answer says of itself in its metadata."""
    head: Mapping[str, Any] = json.loads((schema.metadata or {})[b"fieldlab"])
    return head
