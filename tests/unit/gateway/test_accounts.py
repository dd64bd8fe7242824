"""What a batch did is counted for each source by itself, and nothing is counted twice."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.assets.source import Binding
from fieldlab.readings.samples import Samples
from fieldlab.storage.account import Fate
from fieldlab.storage.batch import Batch, Outcome
from fieldlab.storage.bindings import Catalogue
from gateway.batches import accounts, bound
from gateway.bind import Discipline
from gateway.intake import Spooled
from gateway.record import Record
from tests.unit.gateway.given import BINDINGS, NOW, samples

EVERY: dict[int, dict[str, Binding]] = {source: dict(BINDINGS) for source in (1, 2, 3)}


def batch_of(parts: list[tuple[int, Samples]]) -> Batch:
    spooled = [
        Spooled(id=at, record=Record.of([arrived], rejects=(), gaps=(), source=source, received_at=NOW))
        for at, (source, arrived) in enumerate(parts, 1)
    ]
    return bound(spooled, Catalogue(sources={}, bindings=EVERY), discipline=Discipline())[0]


@given(
    st.lists(st.tuples(st.integers(1, 3), samples()), min_size=1, max_size=5),
    st.lists(st.sampled_from(Fate), min_size=150, max_size=150),
)
def test_each_source_is_told_its_own_rows_and_refusals(parts: list[tuple[int, Samples]], met: list[Fate]) -> None:
    batch = batch_of(parts)
    rows = range(len(batch.rows))
    fates = np.array([met[at] for at in rows], np.int8)
    found = accounts(batch, Outcome(fates=fates))
    assert batch.rows.counts() == Counter(batch.rows.source(at) for at in rows)
    for source, account in found.items():
        own = [int(fates[at]) for at in rows if batch.rows.source(at) == source]
        stored = [int(batch.rows.times[at]) for at in rows if batch.rows.source(at) == source and fates[at] == 0]
        refused = sum(one.reject.samples for one in batch.refusals if one.source == source)
        assert (account.stored, account.duplicates) == (own.count(Fate.STORED), own.count(Fate.DUPLICATE))
        assert sum(account.rejected.values()) == refused + own.count(Fate.CONFLICT) + own.count(Fate.REFUSED)
        assert account.newest == max(stored, default=None)
    assert {batch.rows.source(at) for at in rows} | {one.source for one in batch.refusals} == set(found)
