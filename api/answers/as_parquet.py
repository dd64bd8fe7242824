"""Parquet (https://parquet.apache.org/docs/file-format/): row groups of one segment each, and a footer at the end."""

from itertools import pairwise
from typing import IO, cast

import numpy as np
import pyarrow as pa

from api.answers.encoder import Ending
from api.answers.parquet_file import ParquetFile
from api.answers.sink import Sink
from api.answers.tabular import Table, Tabular, ended
from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Answer


class ParquetEncoder:
    """A file without its footer is not whole, and no reader opens it. Statistics never span two segments."""

    lines = False

    def __init__(self, answer: Answer, *, table: Tabular | None = None) -> None:
        self._table = table or Table(answer)
        self._sink = Sink()
        self._file = ParquetFile(cast("IO[bytes]", self._sink), self._table.schema)
        self._segment = -1

    def begin(self) -> bytes:
        """Write the magic number."""
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Keep rows until a group is full or its segment ends."""
        if not len(batch):
            return b""
        numbers = ints(batch, "segment")
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        whole = self._table.batch(batch)
        for start, until in pairwise(cuts):
            self._file.add(whole[start:until], anew=bool(numbers[start] != self._segment))
            self._segment = int(numbers[start])
        return self._sink.take()

    def end(self, ending: Ending | None) -> bytes:
        """Write the last group and the footer, which has the schema's metadata, and what the end adds to it."""
        self._file.finish(ended(ending))
        return self._sink.take()

    def broken(self, reason: str) -> bytes:  # noqa: ARG002 - the format has no place for it
        """Write nothing: the file has no footer."""
        return b""
