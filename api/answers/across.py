"""The wide layout: all streams beside each other on one time axis, each with the owner and segment of its value."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import orjson
import pyarrow as pa

from api.answers.segments import head
from api.answers.tabular import NAMED, numbered
from fieldlab.assets.asset import Kind, Stream
from fieldlab.storage.columns import TIME, ints
from fieldlab.storage.selection import Answer
from fieldlab.storage.windows import axis

_BESIDE: Final = frozenset({"time", "segment", "origin", "origins", "status", "partial", "filled", "text", "value"})
"""Columns of a long batch that are no aggregate."""


class Across:
    """How the batches of an answer become rows of one time axis.

    Columns: `time`; for each stream one named by its reference (with several aggregates, `reference.aggregate`), then
    with `owners` `reference.owner`, and `reference.segment`. Null where a stream has nothing at that time. The schema's
    metadata has the decision as JSON under `fieldlab`; each column its UCUM unit under `unit`. `segments` names the
    columns of segments.
    """

    def __init__(self, answer: Answer, *, owners: bool) -> None:
        self._owners, owner = numbered([segment.owner for segment in answer.segments])
        self._owner = pa.array(owner)
        self._with_owners = owners
        self.segments = tuple(f"{stream.reference}.segment" for stream in answer.streams)
        self._streams = answer.streams
        self._stream_of = np.array([segment.stream for segment in answer.segments], dtype=np.int64)
        given = answer.rows.schema
        self._aggregates = [name for name in given.names if name not in _BESIDE]
        fields = [pa.field("time", TIME, nullable=False)]
        for stream in answer.streams:
            fields += [
                pa.field(name, kind, metadata={"unit": stream.unit}) for name, _, kind in self._of(stream, given)
            ]
            if owners:
                fields.append(pa.field(f"{stream.reference}.owner", NAMED))
            fields.append(pa.field(f"{stream.reference}.segment", pa.int32()))
        self.schema = pa.schema(fields, metadata={"fieldlab": orjson.dumps(head(answer))})

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give the rows of a stretch of time as rows of the axis."""
        times, places = axis(rows, self._stream_of)
        columns = [pa.array(times, pa.int64()).cast(TIME)]
        streams = self._stream_of[ints(rows, "segment")] if len(rows) else np.empty(0, np.int64)
        for stream in self._streams:
            own = np.flatnonzero(streams == stream.key)
            taken = np.full(len(times), -1, dtype=np.int64)
            taken[places[own]] = own
            chosen = pa.array(taken, mask=taken < 0)
            columns += [rows.column(source).take(chosen) for _, source, _ in self._of(stream, rows.schema)]
            segments = rows.column("segment").take(chosen)
            if self._with_owners:
                columns.append(pa.DictionaryArray.from_arrays(self._owner.take(segments), self._owners))
            columns.append(segments)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _of(self, stream: Stream, given: pa.Schema) -> Iterator[tuple[str, str, pa.DataType]]:
        """Give the columns of a stream: its name, where it comes from, and its type."""
        if not self._aggregates:
            source = "text" if stream.kind is Kind.TEXT and "text" in given.names else "value"
            yield stream.reference, source, given.field(source).type
        for name in self._aggregates:
            alone = len(self._aggregates) == 1
            yield (stream.reference if alone else f"{stream.reference}.{name}"), name, given.field(name).type
