"""However an answer is split into pages, each row is given once and in order."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.paging import floor, remaining
from fieldlab.ownership.segment import Basis, BasisKind, Segment
from fieldlab.readings.instant import Instant

Row = tuple[int, int, int]
"""Stream, segment and time."""


@st.composite
def decisions(draw: st.DrawFn) -> tuple[list[int], list[Segment], list[tuple[int, int]]]:
    """Draw an order of streams, their segments (some stretches hidden), and the readable samples."""
    order = draw(st.permutations([3, 7, 9]).map(lambda streams: streams[: draw(st.integers(1, 3))]))
    segments: list[Segment] = []
    samples: list[tuple[int, int]] = []
    for stream in order:
        steps = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
        edges = list(accumulate([draw(st.integers(-20, 5)), *steps]))
        for start, until in pairwise(edges):
            if draw(st.booleans()):
                segments.append(
                    Segment(
                        number=len(segments),
                        stream=stream,
                        interval=Interval(start=Instant(start), until=Instant(until)),
                        tenure=len(segments),
                        owner="a",
                        trial=None,
                        basis=Basis(kind=BasisKind.OWN),
                    )
                )
                times = draw(st.sets(st.integers(start, until - 1)))
                samples += [(stream, time) for time in sorted(times)]
    return order, segments, samples


def rows(segments: list[Segment], samples: list[tuple[int, int]], step: int | None) -> list[Row]:
    """Answer segments in full: samples, or the starts of buckets with a sample in them."""
    found: list[Row] = []
    for segment in segments:
        times = [time for stream, time in samples if stream == segment.stream and time in segment.interval]
        starts = times if step is None else sorted({floor(Instant(time), step) for time in times})
        found += [(segment.stream, segment.number, time) for time in starts]
    return found


@given(decision=decisions(), limit=st.integers(1, 6), step=st.one_of(st.none(), st.integers(1, 15)))
def test_pages_give_each_row_once_and_in_order(
    decision: tuple[list[int], list[Segment], list[tuple[int, int]]], limit: int, step: int | None
) -> None:
    order, segments, samples = decision
    whole = rows(segments, samples, step)
    starts = {segment.number: segment.interval.start for segment in segments}
    given_rows: list[Row] = []
    left = segments
    while page := rows(left, samples, step)[:limit]:
        given_rows += page
        stream, number, time = page[-1]
        after = Instant(max(time, starts[number]))
        left = list(remaining(segments, order=order, stream=stream, given=after, step=step))
    assert given_rows == whole


@given(decision=decisions(), given_at=st.integers(-30, 60), step=st.one_of(st.none(), st.integers(1, 15)))
def test_what_is_left_is_never_more_than_was_decided(
    decision: tuple[list[int], list[Segment], list[tuple[int, int]]], given_at: int, step: int | None
) -> None:
    order, segments, _ = decision
    by_number = {segment.number: segment for segment in segments}
    for segment in remaining(segments, order=order, stream=order[0], given=Instant(given_at), step=step):
        assert by_number[segment.number].interval.covers(segment.interval)


@given(moment=st.integers(-(10**15), 10**15), step=st.integers(1, 10**12))
def test_buckets_are_counted_from_the_epoch(moment: int, step: int) -> None:
    start = floor(Instant(moment), step)
    assert start % step == 0
    assert start <= moment < start + step
