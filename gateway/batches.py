"""Records of the spool as one batch for the database: a pure decision."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason
from fieldlab.storage.account import Fate, Refusal
from fieldlab.storage.batch import Batch, Outcome, StreamGap
from fieldlab.storage.bindings import Catalogue
from fieldlab.storage.rows import Rows
from gateway.bind import Bindings, Discipline, bind
from gateway.block import Block
from gateway.intake import Spooled
from gateway.record import Record


def bound(
    spooled: Sequence[Spooled], catalogue: Catalogue, *, discipline: Discipline
) -> tuple[Batch, tuple[Block, ...]]:
    """Bind the records' samples, source by source, and put rows, refusals and gaps together.

    Gives, too, the samples at addresses that are not bound, in a block for each source.
    """
    parts: list[Rows] = []
    refusals: list[Refusal] = []
    gaps: list[StreamGap] = []
    unbound: list[Block] = []
    for source, records in _by_source(spooled).items():
        bindings = catalogue.bindings.get(source, {})
        found = bind(Block.joined([record.block for record in records]), bindings, discipline=discipline)
        parts.append(found.rows)
        refusals.extend(found.refusals)
        if found.unbound is not None:
            unbound.append(found.unbound)
        for record in records:
            for reject in record.rejects:
                binding = bindings.get(reject.address or "")
                stream = None if binding is None else binding.stream
                refusals.append(Refusal(source=source, stream=stream, reject=reject))
            gaps.extend(_stream_gaps(record.gaps, bindings))
    batch = Batch(
        first=spooled[0].id,
        last=spooled[-1].id,
        rows=Rows.joined(parts),
        received_at=spooled[-1].record.received_at,
        refusals=tuple(refusals),
        gaps=tuple(dict.fromkeys(gaps)),
    )
    return batch, tuple(unbound)


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
    for one in batch.refusals:
        rejected.setdefault(one.source, Counter())[one.reject.reason] += one.reject.samples
    sources = batch.rows.counts()
    found = {}
    for source in {*rejected, *sources}:
        own = batch.rows.sources == source if len(sources) > 1 or source not in sources else slice(None)
        fates = outcome.fates[own]
        counts = np.bincount(fates, minlength=len(Fate))
        reasons = rejected.get(source, Counter())
        reasons[Reason.CONFLICT] += int(counts[Fate.CONFLICT])
        reasons[Reason.REFUSED_BY_DATABASE] += int(counts[Fate.REFUSED])
        stored = batch.rows.times[own][fates == Fate.STORED]
        found[source] = Account(
            stored=int(counts[Fate.STORED]),
            duplicates=int(counts[Fate.DUPLICATE]),
            rejected=+reasons,
            newest=Instant(stored.max()) if len(stored) else None,
        )
    return found


def _by_source(spooled: Iterable[Spooled]) -> dict[int, list[Record]]:
    groups: dict[int, list[Record]] = {}
    for one in spooled:
        groups.setdefault(one.record.source, []).append(one.record)
    return groups


def _stream_gaps(gaps: Iterable[Gap], bindings: Bindings) -> Iterable[StreamGap]:
    """Name the streams that a source's gaps concern; a gap of no length is none."""
    for gap in gaps:
        if gap.start >= gap.until:
            continue
        addresses = bindings if gap.addresses is None else gap.addresses
        for address in addresses:
            if address in bindings:
                yield StreamGap(
                    stream=bindings[address].stream,
                    start=gap.start,
                    until=gap.until,
                    cause=gap.cause,
                    recovered=gap.recovered,
                    heard=gap.heard.get(address),
                )
