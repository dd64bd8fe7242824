"""The grid of ticks has no hole and no overlap, and nonsense is refused with a sentence that helps."""

from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.errors import InvalidSettingError
from simulators.schedule import Schedule, microseconds, moment

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAIVE = datetime.fromisoformat("2026-11-21T08:00:00")
NOON_US = microseconds(NOON, "noon")


def ticks_of(since: datetime, until: datetime) -> list[int]:
    chunks = Schedule.of(now_us=0, rate=2, since=since, until=until).chunks(100)
    return list(chain.from_iterable(chunk.tolist() for chunk in chunks))


@given(
    rate=st.sampled_from([0.1, 1.0, 3.0, 10.0, 1000.0]),
    begin=st.integers(0, 5_000_000),
    length=st.integers(1, 20_000_000),
    size=st.integers(1, 50_000),
)
def test_chunks_are_the_whole_grid_once(rate: float, begin: int, length: int, size: int) -> None:
    since, until = moment(NOON_US + begin), moment(NOON_US + begin + length)
    schedule = Schedule.of(now_us=NOON_US, rate=rate, since=since, until=until)
    chunks = list(schedule.chunks(size))
    times = np.concatenate(chunks) if chunks else np.array([], dtype=np.int64)
    period = schedule.period_us
    assert times.tolist() == list(range(-(-(NOON_US + begin) // period) * period, NOON_US + begin + length, period))
    assert all(len(chunk) <= size for chunk in chunks)


def test_two_stretches_that_meet_share_no_tick_and_miss_none() -> None:
    edges = [
        NOON,
        NOON + timedelta(seconds=3),
        NOON + timedelta(seconds=7, microseconds=1),
        NOON + timedelta(seconds=9),
    ]
    parts = [ticks_of(since, until) for since, until in pairwise(edges)]
    assert list(chain.from_iterable(parts)) == ticks_of(edges[0], edges[-1])


def test_in_real_time_a_tick_is_due_at_its_own_time() -> None:
    schedule = Schedule.of(now_us=NOON_US, rate=1, since=NOON - timedelta(hours=1), until=None)
    assert schedule.due_us(NOON_US + 5_000_000) == NOON_US + 5_000_000


def test_at_sixty_times_the_speed_an_hour_takes_a_minute() -> None:
    schedule = Schedule.of(now_us=NOON_US, rate=1, since=NOON - timedelta(days=30), until=None, speed=60)
    assert schedule.due_us(schedule.first_us) == NOON_US
    assert schedule.due_us(schedule.first_us + 3_600_000_000) == NOON_US + 60_000_000


@pytest.mark.parametrize(
    ("rate", "speed", "since", "until", "named"),
    [
        (0.0, 1.0, None, None, "rate"),
        (float("nan"), 1.0, None, None, "rate"),
        (1e9, 1.0, None, None, "rate"),
        (1.0, 0.0, None, None, "speed"),
        (1.0, 1.0, NAIVE, None, "since.*zone"),
        (1.0, 1.0, None, NAIVE, "until.*zone"),
        (1.0, 1.0, NOON, NOON, "until"),
        (1.0, 1.0, None, NOON - timedelta(seconds=1), "until"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    rate: float, speed: float, since: datetime | None, until: datetime | None, named: str
) -> None:
    with pytest.raises(InvalidSettingError, match=named):
        Schedule.of(now_us=NOON_US, rate=rate, speed=speed, since=since, until=until)
