"""CSV (RFC 4180): one line a row with its owner and segment; the segments above it as comments where asked."""

import re
from collections.abc import Iterator
from typing import Final

import orjson
import pyarrow as pa

from api.answers import cells
from api.answers.encoder import Ending
from api.answers.segments import head
from fieldlab.storage.selection import Answer

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTED: Final = re.compile(r'[",\r\n]')


class CsvEncoder:
    """With `comments`, the decision stands above the table in lines that begin with `# `, and the end below it.

    An empty field is a missing value. Text that a spreadsheet would take for a formula gets an apostrophe in front;
    numbers are never touched. Without comments only the connection that breaks off tells that a file is not whole.
    """

    lines = True

    def __init__(self, answer: Answer, *, comments: bool) -> None:
        self._answer = answer
        self._comments = comments
        self._rows = 0
        by_key = {stream.key: stream for stream in answer.streams}
        of_segment = [(segment, by_key[segment.stream]) for segment in answer.segments]
        self._before = [f"Z,{stream.asset},{stream.name},{field(stream.unit)}," for _, stream in of_segment]
        self._after = [f",{segment.owner},{segment.number}\r\n" for segment, _ in of_segment]
        self._names = cells.payload(answer.rows.schema)

    def begin(self) -> bytes:
        """Write the names of the columns, below the comments."""
        names = ["time", "asset", "stream", "unit", *self._names, "owner", "segment"]
        return b"".join(self._above()) + ",".join(names).encode() + b"\r\n"

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each in a line."""
        self._rows += len(batch)
        middle: list[pa.StringArray | str] = []
        for name in self._names:
            middle += [cells.texts(batch, name, quote=safe, finite=False), ","]
        before, after = cells.chosen(self._before, batch), cells.chosen(self._after, batch)
        return cells.lines(cells.moments(batch), before, *middle[:-1], after, missing="")

    def end(self, ending: Ending | None) -> bytes:
        """Write the end as a comment, if there are any."""
        origins = {} if ending is None else {"origins": ending.written()}
        return self._comment({"end": {"complete": True, "rows": self._rows, **origins}})

    def broken(self, reason: str) -> bytes:
        """Say why as a comment, if there are any."""
        return self._comment({"end": {"complete": False, "rows": self._rows, "reason": reason}})

    def _above(self) -> Iterator[bytes]:
        if self._comments:
            before = head(self._answer)
            segments = before.pop("segments")
            yield from map(self._comment, (before, *segments))

    def _comment(self, document: object) -> bytes:
        return b"# " + orjson.dumps(document) + b"\r\n" if self._comments else b""


def guarded(text: str) -> str:
    """Give a text as a spreadsheet may show it: never a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def field(text: str) -> str:
    """Write a text as a field: in quotes where it needs them."""
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def safe(text: str) -> str:
    """Write a value that is a text, as a field that no spreadsheet takes for a formula."""
    return field(guarded(text)) or '""'
