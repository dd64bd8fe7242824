"""Arrivals as one batch for the database: a pure decision."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from fieldlab.storage.bindings import Catalogue
from fieldlab.storage.rows import Rows
from fieldlab.storage.write import Batch, Fate, Outcome, StreamGap
from gateway.bind import Bindings, Discipline, bind
from gateway.block import Block, split
from gateway.intake import Arrival


def batch_of(arrivals: Sequence[Arrival], catalogue: Catalogue, *, discipline: Discipline) -> Batch:
    """Bind the arrivals' samples, source by source, and put rows, rejects and gaps together."""
    parts: list[Rows] = []
    rejects: list[tuple[int, Reject]] = []
    gaps: list[StreamGap] = []
    for source, group in _by_source(arrivals).items():
        bindings = catalogue.bindings.get(source, {})
        received_at = group[-1].received_at
        samples = Samples.joined(arrival.delivery.samples for arrival in group)
        try:
            block = Block.of(samples, source=source, received_at=received_at)
        except (OverflowError, TypeError, ValueError):
            samples, unfit = split(samples, received_at=received_at)
            rejects.extend((source, reject) for reject in unfit)
            block = Block.of(samples, source=source, received_at=received_at)
        bound = bind(block, bindings, discipline=discipline)
        parts.append(bound.rows)
        rejects.extend((source, reject) for reject in bound.rejects)
        for arrival in group:
            rejects.extend((source, reject) for reject in arrival.delivery.rejects)
            gaps.extend(_stream_gaps(arrival.delivery.gaps, bindings))
    return Batch(
        rows=Rows.joined(parts),
        received_at=arrivals[-1].received_at,
        rejects=tuple(rejects),
        gaps=tuple(dict.fromkeys(gaps)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What a batch did to one source's tally."""

    stored: int
    duplicates: int
    rejected: Mapping[Reason, int]
    newest: Instant | None


def accounts(batch: Batch, outcome: Outcome) -> dict[int, Account]:
    """Give what became of the batch, for each source."""
    rejected: dict[int, Counter[Reason]] = {}
    for source, reject in batch.rejects:
        rejected.setdefault(source, Counter())[reject.reason] += 1
    rows = batch.rows
    sources = np.array([source for source, _ in rows.addresses], np.int64)[rows.places]
    found = {}
    for source in {*rejected, *np.unique(sources).tolist()}:
        own = sources == source
        fates = outcome.fates[own]
        counts = np.bincount(fates, minlength=len(Fate))
        reasons = rejected.get(source, Counter())
        if counts[Fate.CONFLICT]:
            reasons[Reason.CONFLICT] += int(counts[Fate.CONFLICT])
        if counts[Fate.REFUSED]:
            reasons[Reason.REFUSED_BY_DATABASE] += int(counts[Fate.REFUSED])
        stored = rows.times[own][fates == Fate.STORED]
        found[source] = Account(
            stored=int(counts[Fate.STORED]),
            duplicates=int(counts[Fate.DUPLICATE]),
            rejected=reasons,
            newest=Instant(stored.max()) if len(stored) else None,
        )
    return found


def _by_source(arrivals: Iterable[Arrival]) -> dict[int, list[Arrival]]:
    groups: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault(arrival.source, []).append(arrival)
    return groups


def _stream_gaps(gaps: Iterable[Gap], bindings: Bindings) -> Iterable[StreamGap]:
    """Name the streams that a source's gaps concern; a gap of no length is none."""
    for gap in gaps:
        if gap.start >= gap.until:
            continue
        addresses = bindings if gap.addresses is None else gap.addresses
        for address in addresses:
            if address in bindings:
                yield StreamGap(stream=bindings[address].stream, start=gap.start, until=gap.until, cause=gap.cause)
