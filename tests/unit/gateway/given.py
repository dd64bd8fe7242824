"""What a test of the gateway's pure parts is given."""

from hypothesis import strategies as st

from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples

NOW = Instant.parse("2026-11-22T08:00:00Z")
BINDINGS = {
    "number": Binding(address="number", stream=1, kind=Kind.NUMBER, origin=0),
    "boolean": Binding(address="boolean", stream=2, kind=Kind.BOOLEAN, origin=3),
    "text": Binding(address="text", stream=3, kind=Kind.TEXT, origin=0),
    "quick": Binding(address="quick", stream=4, kind=Kind.NUMBER, origin=0, lateness=60_000_000),
}

addresses = st.sampled_from([*BINDINGS, "unbound", "é\0\ud800"])
times = st.one_of(
    st.integers(NOW - 1440 * MINUTE, NOW),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, NOW, NOW + 300_000_000, NOW + 300_000_001, -(2**63), 2**63 - 1]),
)
numbers = st.one_of(st.sampled_from([0.0, 1.0]), st.floats())
texts = st.text(st.characters(), max_size=8)
values = st.one_of(numbers, texts, st.none())


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    """Samples of every kind, good and bad."""
    rows = draw(
        st.lists(
            st.tuples(
                addresses, times, values, st.integers(-(2**15), 2**15 - 1), st.sampled_from([0, 1, 2, 3, 32, 17])
            ),
            max_size=30,
        )
    )
    return Samples(
        addresses=[row[0] for row in rows],
        times=[row[1] for row in rows],
        values=[row[2] if isinstance(row[2], float) else None for row in rows],
        texts=[row[2] if isinstance(row[2], str) else None for row in rows],
        statuses=[row[3] for row in rows],
        origins=[row[4] for row in rows],
    )


instants = st.integers(-(2**60), 2**60).map(Instant)
rejects = st.builds(
    Reject,
    reason=st.sampled_from(Reason),
    detail=st.text(st.characters(), max_size=20),
    raw=st.binary(max_size=20),
    received_at=instants,
    address=st.one_of(st.none(), addresses),
    time=st.one_of(st.none(), instants),
    samples=st.integers(1, 1000),
)
gaps = st.builds(
    Gap,
    start=instants,
    until=instants,
    cause=st.sampled_from(Cause),
    addresses=st.one_of(st.none(), st.lists(addresses, max_size=3).map(tuple)),
)
