"""One stream as Parquet, written batch by batch; a row group never spans two segments."""

from collections.abc import Sequence
from typing import IO, Any, Final, cast

import numpy as np
import orjson
import pyarrow as pa

from api.answers.parquet_file import ParquetFile
from api.answers.segments import segment_document
from api.answers.tabular import NAMED, NUMBERED
from fieldlab.assets.asset import Kind, Stream
from fieldlab.ownership.segment import Segment
from fieldlab.readings.aggregate import Aggregate

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
KEY: Final = "fieldlab"
"""Under which the segments stand in the file's metadata, as JSON."""

_TIME: Final = pa.timestamp("us", tz="UTC")


class StreamTable:
    """Writes the rows of one stream, segment by segment; without `finish` the file does not say whose it is."""

    def __init__(self, sink: IO[bytes], stream: Stream, aggregates: Sequence[Aggregate] | None) -> None:
        self._stream = stream
        self._schema = _schema(stream, aggregates)
        self._file = ParquetFile(sink, self._schema)
        self._segment: int | None = None

    def write(self, segment: Segment, rows: pa.RecordBatch) -> None:
        """Append rows of one segment."""
        if not len(rows):
            return
        text = self._stream.kind is Kind.TEXT and "value" in rows.schema.names
        measured = [name for name in self._schema.names if name not in {"owner", "segment"}]
        columns: list[Any] = [rows.column("text" if text and name == "value" else name) for name in measured]
        columns += [_same(segment.owner, len(rows), NAMED), _same(segment.number, len(rows), NUMBERED)]
        self._file.add(pa.RecordBatch.from_arrays(columns, schema=self._schema), anew=segment.number != self._segment)
        self._segment = segment.number

    def finish(self, segments: Sequence[Segment]) -> None:
        """Write the end, with the segments as they turned out."""
        described = [segment_document(segment, str(self._stream.id)) for segment in segments]
        self._file.finish({KEY: orjson.dumps({"segments": described})})

    def close(self) -> None:
        """Let go of the file; unless it was finished, what is in it is not to be used."""
        self._file.close()


def _schema(stream: Stream, aggregates: Sequence[Aggregate] | None) -> Any:  # noqa: ANN401 - pyarrow has no types
    unit = {"unit": stream.unit, "quantity": stream.quantity}
    value = pa.string() if stream.kind is Kind.TEXT else pa.float64()
    measured = (
        [pa.field("value", value, metadata=unit), pa.field("status", pa.uint16())]
        if aggregates is None
        else [
            *(
                pa.field("count", pa.int64()) if one is Aggregate.COUNT else pa.field(one, pa.float64(), metadata=unit)
                for one in aggregates
            ),
            pa.field("partial", pa.bool_()),
        ]
    )
    return pa.schema(
        [pa.field("time", _TIME), *measured, pa.field("owner", NAMED), pa.field("segment", NUMBERED)],
        metadata={"stream": str(stream.id), "reference": stream.reference},
    )


def _same(value: object, length: int, kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    indices = pa.array(cast("Any", np.zeros(length, np.int32)))
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], kind.value_type))
