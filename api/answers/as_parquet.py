"""Parquet (https://parquet.apache.org/docs/file-format/): row groups of one segment each, and a footer at the end."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from api.answers.encoder import Ending
from api.answers.sink import Sink
from api.answers.tabular import Table, Tabular, ended
from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Answer

_GROUP = 131_072
"""Rows of a row group, at most; what is kept in memory until the group is written."""


class ParquetEncoder:
    """A file without its footer is not whole, and no reader opens it. Statistics never span two segments."""

    lines = False

    def __init__(self, answer: Answer, *, table: Tabular | None = None) -> None:
        self._table = table or Table(answer)
        self._sink = Sink()
        self._writer = parquet.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), self._table.schema, compression="zstd", compression_level=1
        )
        self._kept: list[pa.RecordBatch] = []
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
            self._keep(whole[start:until], anew=bool(numbers[start] != self._segment))
            self._segment = int(numbers[start])
        return self._sink.take()

    def end(self, ending: Ending | None) -> bytes:
        """Write the last group and the footer, which has the schema's metadata, and what the end adds to it."""
        self._write()
        self._writer.add_key_value_metadata(dict(ended(ending)))
        self._writer.close()
        return self._sink.take()

    def broken(self, reason: str) -> bytes:  # noqa: ARG002 - the format has no place for it
        """Write nothing: the file has no footer."""
        return b""

    def _keep(self, rows: pa.RecordBatch, *, anew: bool) -> None:
        """Add rows to the group, or to a new one where it has no room for them, or they begin another segment."""
        if anew or sum(map(len, self._kept)) + len(rows) > _GROUP:
            self._write()
        self._kept.append(rows)

    def _write(self) -> None:
        if self._kept:
            self._writer.write_table(pa.Table.from_batches(self._kept), row_group_size=_GROUP)
            self._kept.clear()
