"""How many rows of each segment an answer has given, for the access ledger to say at its end."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from fieldlab.ownership.access import Access, End, EndKind
from fieldlab.ownership.segment import Segment
from fieldlab.storage.columns import ints
from fieldlab.storage.selection import Answer

Tell = Callable[[End], None]
"""Hears how an answer ended."""


class Tally:
    """Counts the rows of one answer, and tells its end once; of an answer that is in no ledger it says nothing."""

    def __init__(self, answer: Answer, tell: Tell) -> None:
        self._access: Final = answer.access
        self._tell: Final = tell
        self._places: Final = _places(answer, answer.access) if answer.access is not None else []
        self._counts: Final = np.zeros(len(answer.access.segments) if answer.access is not None else 0, np.int64)
        self._ended = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch that is given."""
        if len(self._places) and len(batch):
            np.add.at(self._counts, self._places, np.bincount(ints(batch, "segment"), minlength=len(self._places)))

    def end(self, kind: EndKind, reason: str = "") -> None:
        """Tell the end, if it has not been told."""
        if self._access is not None and not self._ended:
            self._ended = True
            self._tell(End(access=self._access.id, rows=self._counts.tolist(), kind=kind, reason=reason))


def _places(answer: Answer, access: Access) -> list[int]:
    """Give for each segment of an answer its place among those that were noted; newest values are cut from them."""
    if [_key(segment) for segment in answer.segments] == [_key(segment) for segment in access.segments]:
        return list(range(len(access.segments)))
    known = {_key(segment): place for place, segment in reversed([*enumerate(access.segments)])}
    return [known[_key(segment)] for segment in answer.segments]


def _key(segment: Segment) -> tuple[object, ...]:
    return segment.stream, segment.tenure, segment.basis.agreement
