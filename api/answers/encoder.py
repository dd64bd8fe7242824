"""What each format is written by: a beginning, batches of rows, and an end that a broken-off answer never gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from fieldlab.readings.origin import Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What is known when the last row is written: how many there were, and how those of each segment came to be."""

    rows: int
    origins: Mapping[int, set[Origin]]

    def written(self) -> Sequence[dict[str, object]]:
        """Give the origins as JSON values, by segment."""
        return [
            {"segment": number, "origins": [origin.name.lower() for origin in sorted(self.origins[number])]}
            for number in sorted(self.origins)
        ]


class Encoder(Protocol):
    """Writes one answer, in order: `begin`, `rows` for each batch, and `end` or `broken`. No call waits.

    Where `lines`, what is written may be broken off behind each line, and nowhere else.
    """

    lines: bool

    def begin(self) -> bytes:
        """Write what stands before the rows."""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Write a batch."""

    def end(self, ending: Ending | None) -> bytes:
        """Write the mark of a complete answer; `ending` is told where the beginning could not know it."""

    def broken(self, reason: str) -> bytes:
        """Write that the answer breaks off here, and why, where the format has a place for it."""
