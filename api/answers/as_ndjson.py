"""NDJSON: the decision in the first line, under `head`, a row a line, and a last line under `end`."""

import orjson
import pyarrow as pa

from api.answers import cells
from api.answers.encoder import Ending
from api.answers.segments import head
from fieldlab.storage.selection import Answer


class NdjsonEncoder:
    """A file without a last line `{"end": {"complete": true, …}}` is not whole."""

    lines = True

    def __init__(self, answer: Answer, next_cursor: str | None) -> None:
        self._answer = answer
        self._next = next_cursor
        self._rows = 0
        references = {stream.key: stream.reference for stream in answer.streams}
        self._streams = [f'Z","stream":"{references[segment.stream]}"' for segment in answer.segments]
        self._names = cells.payload(answer.rows.schema)

    def begin(self) -> bytes:
        """Write the decision."""
        return orjson.dumps({"head": head(self._answer)}) + b"\n"

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each an object in a line of its own."""
        self._rows += len(batch)
        middle: list[pa.StringArray | str] = []
        for name in self._names:
            middle += [f',"{name}":', cells.texts(batch, name, quote=cells.json_text, finite=True)]
        segment = cells.texts(batch, "segment", quote=cells.json_text, finite=True)
        streams = cells.chosen(self._streams, batch)
        parts = ('{"time":"', cells.moments(batch), streams, *middle, ',"segment":', segment, "}\n")
        return cells.lines(*parts, missing="null")

    def end(self, ending: Ending | None) -> bytes:
        """Write the line that makes it whole."""
        said = {"complete": True, "rows": self._rows, "next": self._next}
        return orjson.dumps({"end": said if ending is None else {**said, "origins": ending.written()}}) + b"\n"

    def broken(self, reason: str) -> bytes:
        """Write the line that says that and why it is not."""
        return orjson.dumps({"end": {"complete": False, "rows": self._rows, "reason": reason}}) + b"\n"
