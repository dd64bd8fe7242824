"""What a measurement's small columns mean: status codes, origins and clocks; samples joined in order."""

from hypothesis import given
from hypothesis import strategies as st

from fieldlab.readings import status
from fieldlab.readings.origin import Clock, Origin, clock_of, origin_of
from fieldlab.readings.samples import Samples


@given(code=st.integers(0, 2**32 - 1))
def test_a_status_code_is_kept_as_its_upper_half(code: int) -> None:
    column = status.stored(code)
    assert -(2**15) <= column < 2**15
    assert status.shown(column) == code >> 16


@given(code=st.integers(0, 2**32 - 1))
def test_a_bad_status_and_no_other_is_negative(code: int) -> None:
    bad = code >> 30 >= 2
    assert (status.stored(code) < 0) == bad


def test_good_is_nought() -> None:
    assert status.stored(0) == status.shown(0) == status.GOOD == 0


@given(origin=st.sampled_from(Origin), clock=st.sampled_from(Clock))
def test_origin_and_clock_share_a_column(origin: Origin, clock: Clock) -> None:
    column = origin | clock
    assert (origin_of(column), clock_of(column)) == (origin, clock)
    assert 0 <= column < 2**15


@given(counts=st.lists(st.integers(0, 4), max_size=5))
def test_samples_joined_keep_their_order_and_length(counts: list[int]) -> None:
    parts = [
        Samples(
            addresses=[f"{part}.{n}" for n in range(count)],
            times=list(range(count)),
            values=[float(n) for n in range(count)],
            texts=[None] * count,
            statuses=[0] * count,
            origins=[part] * count,
        )
        for part, count in enumerate(counts)
    ]
    whole = Samples.joined(parts)
    assert len(whole) == sum(counts) == len(whole.origins) == len(whole.values)
    assert whole.addresses == [address for part in parts for address in part.addresses]
