"""The table that Arrow and Parquet share: typed columns, with stream, origin, owner and segment as dictionaries."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import orjson
import pyarrow as pa

from api.answers.encoder import Ending
from api.answers.segments import head
from fieldlab.readings.origin import Origin
from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Answer

NAMED: Final = pa.dictionary(pa.int32(), pa.string())
"""The type of a column of few names, such as the owner."""

NUMBERED: Final = pa.dictionary(pa.int32(), pa.int32())
"""The type of the column of segments' numbers."""

_ORIGINS: Final = pa.array([origin.name.lower() for origin in Origin])


class Tabular(Protocol):
    """How the batches of one answer become batches of a table with a schema."""

    @property
    def schema(self) -> pa.Schema:
        """Give the columns of the table."""

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give the rows as a batch of the table."""


class Table:
    """How the batches of one answer become batches of its table.

    Columns: `time`, `stream` (its reference), those of the question, `origin` for samples, `owner`, `segment`. The
    schema's metadata has the decision as JSON under `fieldlab`; a column of one stream has its UCUM unit under `unit`.
    """

    def __init__(self, answer: Answer) -> None:
        by_key = {stream.key: stream for stream in answer.streams}
        self._streams, self._stream = numbered([by_key[one.stream].reference for one in answer.segments])
        self._owners, self._owner = numbered([one.owner for one in answer.segments])
        self._segments = pa.array(range(len(answer.segments)), pa.int32())
        units = {stream.unit for stream in answer.streams}
        unit = {"unit": units.pop()} if len(units) == 1 else None
        fields = [pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False), pa.field("stream", NAMED)]
        for field in answer.rows.schema:
            match field.name:
                case "time" | "origins" | "segment":
                    continue
                case "origin":
                    fields.append(pa.field("origin", NAMED))
                case _:
                    fields.append(field.with_metadata(unit) if pa.types.is_floating(field.type) and unit else field)
        fields += [pa.field("owner", NAMED), pa.field("segment", NUMBERED, nullable=False)]
        self.schema = pa.schema(fields, metadata={"fieldlab": orjson.dumps(head(answer))})

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give the rows as a batch of the table."""
        number = ints(rows, "segment")
        columns = []
        for field in self.schema:
            match field.name:
                case "stream":
                    columns.append(pa.DictionaryArray.from_arrays(self._stream[number], self._streams))
                case "owner":
                    columns.append(pa.DictionaryArray.from_arrays(self._owner[number], self._owners))
                case "segment":
                    columns.append(pa.DictionaryArray.from_arrays(number, self._segments))
                case "origin":
                    columns.append(pa.DictionaryArray.from_arrays(ints(rows, "origin").astype(np.int32), _ORIGINS))
                case name:
                    columns.append(rows.column(name))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def ended(ending: Ending | None) -> Mapping[str, bytes]:
    """Give what the end of a table adds to its metadata."""
    return {} if ending is None else {"fieldlab.end": orjson.dumps({"rows": ending.rows, "origins": ending.written()})}


def numbered(names: list[str]) -> tuple[pa.StringArray, "np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    """Give the different names, and for each name its place among them."""
    different = list(dict.fromkeys(names))
    places = {name: place for place, name in enumerate(different)}
    return pa.array(different, pa.string()), np.array([places[name] for name in names], dtype=np.int32)
