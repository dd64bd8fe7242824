"""What waits behind a batch that is being written, source by source: said with the batch, in its transaction."""

import time
from collections import Counter
from typing import Final

from fieldlab.storage.batch import Backlog, Batch
from gateway.tally import Tallies

_EVERY: Final = 1.0


class Backlogs:
    """Knows what has its fate and what was said of the rest. For the thread that writes the batches."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._fated: Counter[int] = Counter()
        self._said: dict[int, int] = {}
        self._say_at = 0.0

    def behind(self, batch: Batch, *, more: bool) -> tuple[Backlog, ...]:
        """Say what will wait behind the batch, for each source of which that is not known.

        It is said once a second, and at once when there are no `more` batches, or none of a source.
        """
        fated = self._fated + _sizes(batch)
        left = {source: tally.received - fated[source] for source, tally in self._tallies.items()}
        news = {source: many for source, many in left.items() if many or self._said.get(source) != 0}
        drained = any(not many for many in news.values())
        if more and not drained and time.monotonic() < self._say_at:
            return ()
        return tuple(
            Backlog(source=source, samples=many, oldest=batch.received_at if many else None)
            for source, many in news.items()
        )

    def written(self, batch: Batch, said: tuple[Backlog, ...]) -> None:
        """Note that a batch is written, and this was said with it."""
        self._fated.update(_sizes(batch))
        if said:
            self._say_at = time.monotonic() + _EVERY
            self._said |= {one.source: one.samples for one in said}


def _sizes(batch: Batch) -> Counter[int]:
    """Count what of each source has its fate with a batch."""
    sizes = Counter(batch.rows.counts())
    for one in batch.refusals:
        sizes[one.source] += one.reject.samples
    return sizes
