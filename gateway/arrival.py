"""What connectors leave, as records of the spool, and the spool's entries as records again: pure."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fieldlab.errors import InvalidInput
from fieldlab.ports import Delivery
from fieldlab.readings.columns import Columns
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from fieldlab.storage.spool import Entry
from gateway.record import SAMPLE_BYTES, Record, decode, encode

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A delivery, where it came from, and when."""

    source: int
    received_at: Instant
    delivery: Delivery

    @property
    def size(self) -> int:
        """Count what must find a fate: samples, and the samples of rejects."""
        return self.delivery.size

    @property
    def load(self) -> int:
        """Give the room that it takes in memory, counted in samples."""
        texts = self.delivery.samples.texts
        words = 0 if texts.count(None) == len(texts) else sum(len(text) for text in texts if text is not None)
        return self.size + (words + sum(len(reject.raw) for reject in self.delivery.rejects)) // SAMPLE_BYTES


def entry_of(record: Record) -> Entry:
    """Turn a record into what the spool keeps."""
    return Entry(source=record.source, received_at=record.received_at, size=record.size, body=encode(record))


def records_of(group: Sequence[Arrival]) -> list[Record]:
    """Put the deliveries of each source together; one whose columns do not fit together stays alone."""
    together: dict[tuple[int, int | None], list[Arrival]] = {}
    for at, arrival in enumerate(group):
        alone = None if arrival.delivery.samples.even else at
        together.setdefault((arrival.source, alone), []).append(arrival)
    return [
        Record.of(
            _parts(arrival.delivery for arrival in arrivals),
            rejects=[reject for arrival in arrivals for reject in arrival.delivery.rejects],
            gaps=[gap for arrival in arrivals for gap in arrival.delivery.gaps],
            source=source,
            received_at=arrivals[-1].received_at,
        )
        for (source, _), arrivals in together.items()
    ]


def _parts(deliveries: Iterable[Delivery]) -> list[Samples | Columns]:
    """Give what deliveries hold, in order; lists that follow each other are put together."""
    parts: list[Samples | Columns] = []
    lists: list[Samples] = []
    for delivery in deliveries:
        if delivery.columns is not None and len(delivery.columns):
            if lists:
                parts.append(Samples.joined(lists))
                lists = []
            parts.append(delivery.columns)
        if len(delivery.samples) or not delivery.samples.even:
            lists.append(delivery.samples)
    return [*parts, Samples.joined(lists)] if lists else parts


def readable(entry: Entry) -> Record:
    """Read an entry back; one that the disk has spoilt becomes a reject with its bytes."""
    try:
        return decode(entry.body)
    except InvalidInput as error:
        _log.error("%s It becomes a reject.", error)
        return Record.of(
            (),
            rejects=[
                Reject(
                    reason=Reason.MALFORMED,
                    detail=str(error),
                    raw=entry.body,
                    received_at=entry.received_at,
                    samples=max(entry.size, 1),
                )
            ],
            gaps=(),
            source=entry.source,
            received_at=entry.received_at,
        )
