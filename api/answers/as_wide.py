"""The wide layout in each format: the same beginnings and ends as the long one's, with the rows of one time axis."""

from itertools import pairwise
from typing import Final

import numpy as np
import orjson
import pyarrow as pa

from api.answers import cells
from api.answers.across import Across
from api.answers.as_arrow import ArrowEncoder
from api.answers.as_csv import CsvEncoder, field, safe
from api.answers.as_json import JsonEncoder
from api.answers.as_ndjson import NdjsonEncoder
from api.answers.as_parquet import ParquetEncoder
from api.answers.segments import head
from fieldlab.storage.selection import Answer

_FIRST: Final = 1
"""The column after the time."""


class WideJson(JsonEncoder):
    """One object, its rows arrays in the order of `columns`."""

    def __init__(self, answer: Answer, next_cursor: str | None) -> None:
        super().__init__(answer, next_cursor)
        self._across = Across(answer, owners=False)

    def begin(self) -> bytes:
        """Write the decision, the names of the columns, and open the rows."""
        columns = self._across.schema.names
        return orjson.dumps({**head(self._answer), "columns": columns})[:-1] + b',"rows":['

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each an array."""
        if not len(batch):
            return b""
        wide = self._across.batch(batch)
        middle: list[pa.StringArray | str] = []
        for name in wide.schema.names[_FIRST:]:
            middle += [",", cells.texts(wide, name, quote=cells.json_text, finite=True)]
        written = cells.lines(',["', cells.moments(wide), 'Z"', *middle, "]", missing="null")
        begun, self._first = self._first, False
        return written[1:] if begun else written


class WideNdjson(NdjsonEncoder):
    """A row a line, an object of its columns."""

    def __init__(self, answer: Answer, next_cursor: str | None) -> None:
        super().__init__(answer, next_cursor)
        self._across = Across(answer, owners=False)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each an object in a line of its own."""
        wide = self._across.batch(batch)
        self._rows += len(wide)
        middle: list[pa.StringArray | str] = []
        for name in wide.schema.names[_FIRST:]:
            middle += [f',"{name}":', cells.texts(wide, name, quote=cells.json_text, finite=True)]
        return cells.lines('{"time":"', cells.moments(wide), 'Z"', *middle, "}\n", missing="null")


class WideCsv(CsvEncoder):
    """A row a line, with the owner of each value; the units stand above it as comments, or at the segments' address."""

    def __init__(self, answer: Answer, *, comments: bool) -> None:
        super().__init__(answer, comments=comments)
        self._across = Across(answer, owners=True)

    def begin(self) -> bytes:
        """Write the names of the columns, below the comments."""
        return b"".join(self._above()) + ",".join(map(field, self._across.schema.names)).encode() + b"\r\n"

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write rows, each in a line."""
        wide = self._across.batch(batch)
        self._rows += len(wide)
        middle: list[pa.StringArray | str] = []
        for name in wide.schema.names[_FIRST:]:
            middle += [",", cells.texts(wide, name, quote=safe, finite=False)]
        return cells.lines(cells.moments(wide), "Z", *middle, "\r\n", missing="")


class WideArrow(ArrowEncoder):
    """The table of the axis, with the decision in its metadata."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer, table=Across(answer, owners=True))


class WideParquet(ParquetEncoder):
    """The table of the axis; a row group ends where any stream comes to another segment."""

    def __init__(self, answer: Answer) -> None:
        across = Across(answer, owners=True)
        super().__init__(answer, table=across)
        self._segments = across.segments
        self._numbers: dict[str, int] = {}

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Keep rows until a group is full or a segment ends."""
        whole = self._table.batch(batch)
        changes = np.zeros(len(whole), dtype=np.bool_)
        for name in self._segments:
            there = np.flatnonzero(whole.column(name).is_valid().to_numpy(zero_copy_only=False))
            numbers = whole.column(name).drop_null().to_numpy(zero_copy_only=False)
            if len(numbers):
                changes[there] |= np.diff(numbers, prepend=self._numbers.get(name, numbers[0])) != 0
                self._numbers[name] = int(numbers[-1])
        cuts = sorted({0, *np.flatnonzero(changes).tolist(), len(whole)})
        for start, until in pairwise(cuts):
            self._file.add(whole[start:until], anew=bool(changes[start]))
        return self._sink.take()
