"""JSON: the segments first, then rows as arrays in the order of `columns`."""

import orjson
import pyarrow as pa

from api.answers import cells
from api.answers.encoder import Ending
from api.answers.segments import head
from fieldlab.storage.selection import Answer


class JsonEncoder:
    """One object. Where it breaks off it stays open: no reader takes it for whole."""

    lines = False

    def __init__(self, answer: Answer, next_cursor: str | None) -> None:
        self._answer = answer
        self._next = next_cursor
        self._first = True
        ids = {stream.key: str(stream.id) for stream in answer.streams}
        self._streams = [f'Z","{ids[segment.stream]}",' for segment in answer.segments]
        self._names = cells.payload(answer.rows.schema)

    def begin(self) -> bytes:
        """Write the decision, the names of the columns, and open the rows."""
        columns = ["time", "stream", *self._names, "segment"]
        return orjson.dumps({**head(self._answer), "columns": columns})[:-1] + b',"rows":['

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each an array."""
        if not len(batch):
            return b""
        middle: list[pa.StringArray | str] = []
        for name in self._names:
            middle += [cells.texts(batch, name, quote=cells.json_text, finite=True), ","]
        segment = cells.texts(batch, "segment", quote=cells.json_text, finite=True)
        parts = (',["', cells.moments(batch), cells.chosen(self._streams, batch), *middle, segment, "]")
        written = cells.lines(*parts, missing="null")
        begun, self._first = self._first, False
        return written[1:] if begun else written

    def end(self, ending: Ending | None) -> bytes:
        """Close the rows; what the head could not tell of origins follows them."""
        origins = b"" if ending is None else b'"origins":' + orjson.dumps(ending.written()) + b","
        return b"]," + origins + b'"next":' + orjson.dumps(self._next) + b"}"

    def broken(self, reason: str) -> bytes:  # noqa: ARG002 - there is no place for it in an open array
        """Write nothing: the object stays open."""
        return b""


def write_head(answer: Answer, next_cursor: str | None) -> bytes:
    """Write the decision alone."""
    return orjson.dumps({**head(answer), "next": next_cursor})
