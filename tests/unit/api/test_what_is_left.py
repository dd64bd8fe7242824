"""After any row of a page, what is left of the decision holds exactly the rows that have not been given."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.paging import floor, remaining
from fieldlab.ownership.segment import Basis, BasisKind, Segment
from fieldlab.readings.instant import Instant

ORDER = (7, 3, 5)
"""Streams as asked: not by key."""


@st.composite
def decisions(draw: st.DrawFn) -> list[Segment]:
    """Segments of each stream in order of time, some streams with none, some stretches absent."""
    segments: list[Segment] = []
    for stream in ORDER:
        bounds = sorted(draw(st.sets(st.integers(-40, 40), max_size=6)))
        for start, until in pairwise(bounds):
            if draw(st.booleans()):
                segments.append(segment(len(segments), stream, start, until))
    return segments


def segment(number: int, stream: int, start: int, until: int) -> Segment:
    return Segment(
        number=number,
        stream=stream,
        interval=Interval(start=Instant(start), until=Instant(until)),
        tenure=number,
        owner="sme-a",
        trial=None,
        basis=Basis(kind=BasisKind.OWN),
    )


def samples(segments: Sequence[Segment]) -> list[tuple[int, int, int]]:
    """A sample at every instant: (stream, segment, time)."""
    return [(s.stream, s.number, time) for s in segments for time in range(s.interval.start, s.interval.until)]


def buckets(segments: Sequence[Segment], step: int) -> list[tuple[int, int, int]]:
    """A bucket wherever there is a sample: (stream, segment, start)."""
    return list(
        dict.fromkeys((stream, number, floor(Instant(time), step)) for stream, number, time in samples(segments))
    )


@given(decisions())
def test_of_samples(segments: list[Segment]) -> None:
    rows = samples(segments)
    for place, (stream, _, time) in enumerate(rows):
        left = remaining(segments, order=ORDER, stream=stream, given=Instant(time))
        assert samples(left) == rows[place + 1 :]


@given(decisions(), st.integers(1, 30))
def test_of_buckets(segments: list[Segment], step: int) -> None:
    rows = buckets(segments, step)
    whole = {one.number: one.interval for one in segments}
    for place, (stream, number, start) in enumerate(rows):
        given = Instant(max(start, whole[number].start))
        left = remaining(segments, order=ORDER, stream=stream, given=given, step=step)
        assert buckets(left, step) == rows[place + 1 :]


@given(decisions(), st.integers(-50, 50), st.sampled_from(ORDER))
def test_a_stream_that_came_before_is_never_given_again_whatever_became_of_the_one_in_hand(
    segments: list[Segment], time: int, stream: int
) -> None:
    gone = [one for one in segments if one.stream != stream]
    left = remaining(gone, order=ORDER, stream=stream, given=Instant(time))
    assert {one.stream for one in left} <= set(ORDER[ORDER.index(stream) + 1 :])
    assert [one for one in gone if ORDER.index(one.stream) > ORDER.index(stream)] == list(left)
