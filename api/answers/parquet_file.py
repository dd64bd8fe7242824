"""A Parquet file as every answer and every package makes one: row groups of one segment each, a footer at the end."""

from collections.abc import Mapping
from typing import IO, Final, cast

import pyarrow as pa
from pyarrow import parquet

GROUP: Final = 131_072
"""Rows of a row group, at most; what is kept in memory until the group is written."""

_LEVEL: Final = 1
"""How hard zstd tries: more would cost the reader time for little."""


class ParquetFile:
    """Writes rows to a sink. A file without its footer is not whole, and no reader opens it."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._writer = parquet.ParquetWriter(
            pa.PythonFile(sink, mode="w"), schema, compression="zstd", compression_level=_LEVEL
        )
        self._kept: list[pa.RecordBatch] = []

    def add(self, rows: pa.RecordBatch, *, anew: bool) -> None:
        """Add rows to the group, or to a new one where it has no room for them, or they begin another segment."""
        if anew or sum(map(len, self._kept)) + len(rows) > GROUP:
            self._write()
        self._kept.append(rows)

    def finish(self, metadata: Mapping[str, str | bytes]) -> None:
        """Write the last group and the footer, which has the schema's metadata and what is added to it here."""
        self._write()
        self._writer.add_key_value_metadata(cast("dict[str | bytes, str | bytes]", dict(metadata)))
        self._writer.close()

    def close(self) -> None:
        """Let go of the sink; unless it was finished, what is in it is not to be used."""
        self._kept.clear()
        self._writer.close()

    def _write(self) -> None:
        if self._kept:
            self._writer.write_table(pa.Table.from_batches(self._kept), row_group_size=GROUP)
            self._kept.clear()
