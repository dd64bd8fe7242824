"""JSON: the segments first, then rows as arrays in the order of `columns`."""

from typing import Final

import orjson
import pyarrow as pa

from api.answers import cells
from api.answers.encoder import Ending
from api.answers.segments import head
from fieldlab.readings.instant import Instant
from fieldlab.storage.columns import ints
from fieldlab.storage.newest import Newest
from fieldlab.storage.selection import Answer

_FEW: Final = 8
_EXACT: Final = 1 << 53


class JsonEncoder:
    """One object. Where it breaks off it stays open: no reader takes it for whole."""

    lines = False

    def __init__(self, answer: Answer, next_cursor: str | None) -> None:
        self._answer = answer
        self._next = next_cursor
        self._first = True
        ids = {stream.key: str(stream.id) for stream in answer.streams}
        self._ids = [ids[segment.stream] for segment in answer.segments]
        self._streams = [f'Z","{id_}",' for id_ in self._ids]
        self._names = cells.payload(answer.rows.schema)

    def begin(self) -> bytes:
        """Write the decision, the names of the columns, and open the rows."""
        columns = ["time", "stream", *self._names, "segment"]
        return orjson.dumps({**head(self._answer), "columns": columns})[:-1] + b',"rows":['

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each an array."""
        if not len(batch):
            return b""
        written = self._few(batch) if len(batch) <= _FEW else self._many(batch)
        begun, self._first = self._first, False
        return written[1:] if begun else written

    def _few(self, batch: pa.RecordBatch) -> bytes:
        """Write rows one by one, which is faster than by columns as long as they are few."""
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names if name != "time"}
        if "text" in columns and "value" in columns:
            columns["value"] = [
                value if text is None else text for text, value in zip(columns["text"], columns["value"], strict=True)
            ]
        moments = [str(Instant(time)) for time in ints(batch, "time").tolist()]
        streams = [self._ids[number] for number in columns["segment"]]
        named = [map(_number, columns[name]) for name in self._names]
        rows = zip(moments, streams, *named, columns["segment"], strict=True)
        return b"," + orjson.dumps(list(rows))[1:-1]

    def _many(self, batch: pa.RecordBatch) -> bytes:
        middle: list[pa.StringArray | str] = []
        for name in self._names:
            middle += [cells.texts(batch, name, quote=cells.json_text, finite=True), ","]
        segment = cells.texts(batch, "segment", quote=cells.json_text, finite=True)
        parts = (',["', cells.moments(batch), cells.chosen(self._streams, batch), *middle, segment, "]")
        return cells.lines(*parts, missing="null")

    def end(self, ending: Ending | None) -> bytes:
        """Close the rows; what the head could not tell of origins follows them."""
        origins = b"" if ending is None else b'"origins":' + orjson.dumps(ending.written()) + b","
        return b"]," + origins + b'"next":' + orjson.dumps(self._next) + b"}"

    def broken(self, reason: str) -> bytes:  # noqa: ARG002 - there is no place for it in an open array
        """Write nothing: the object stays open."""
        return b""


def _number(value: object) -> object:
    """Write a whole number without a fraction, as the columns are written."""
    if not isinstance(value, float) or not value or abs(value) >= _EXACT or not value.is_integer():
        return 0 if value == 0 and str(value) == "0.0" else value
    return int(value)


def write_newest(newest: Newest) -> bytes:
    """Write an answer of a sample a segment at once."""
    ids = {stream.key: str(stream.id) for stream in newest.streams}
    rows = [
        [
            str(sample.time),
            ids[segment.stream],
            _number(sample.value) if sample.text is None else sample.text,
            sample.status,
            segment.number,
        ]
        for segment, sample in zip(newest.segments, newest.samples, strict=True)
    ]
    columns = ["time", "stream", "value", "status", "segment"]
    return orjson.dumps({**head(newest), "columns": columns, "rows": rows, "next": None})


def write_head(answer: Answer, next_cursor: str | None) -> bytes:
    """Write the decision alone."""
    return orjson.dumps({**head(answer), "next": next_cursor})
