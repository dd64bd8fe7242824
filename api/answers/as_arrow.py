"""Arrow's IPC stream (https://arrow.apache.org/docs/format/Columnar.html): a message a batch, and a mark at the end."""

import pyarrow as pa

from api.answers.encoder import Ending
from api.answers.sink import Sink
from api.answers.tabular import Table, Tabular
from fieldlab.storage.selection import Answer


class ArrowEncoder:
    """A stream without its end-of-stream mark is not whole."""

    lines = False

    def __init__(self, answer: Answer, *, table: Tabular | None = None) -> None:
        self._table = table or Table(answer)
        self._sink = Sink()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), self._table.schema)

    def begin(self) -> bytes:
        """Write the schema, with the decision in its metadata."""
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write a batch."""
        if len(batch):
            self._writer.write_batch(self._table.batch(batch))
        return self._sink.take()

    def end(self, ending: Ending | None) -> bytes:  # noqa: ARG002 - each row has its origin
        """Write the end-of-stream mark."""
        self._writer.close()
        return self._sink.take()

    def broken(self, reason: str) -> bytes:  # noqa: ARG002 - the format has no place for it
        """Write nothing: the stream has no end."""
        return b""
