"""A participant may ask so often within a minute, and what does not pass is told when to come again."""

from hypothesis import given
from hypothesis import strategies as st

from api.rate import WINDOW, Rates

STEPS = st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=200)


@given(quota=st.integers(1, 50), steps=STEPS)
def test_never_more_than_twice_the_quota_pass_within_a_window_and_the_quota_at_once(
    quota: int, steps: list[float]
) -> None:
    rates, now, passed = Rates(quota), 1_000.0, []
    for step in steps:
        now += step
        if rates.take("a", now).allowed:
            passed.append(now)
    for first in passed:
        assert sum(first <= one < first + WINDOW for one in passed) <= 2 * quota
    assert sum(one == passed[0] for one in passed) <= quota


@given(quota=st.integers(1, 50), steps=STEPS)
def test_whoever_waits_as_long_as_it_is_told_passes(quota: int, steps: list[float]) -> None:
    rates, now = Rates(quota), 1_000.0
    for step in steps:
        now += step
        verdict = rates.take("a", now)
        assert 0 <= verdict.remaining < quota
        if not verdict.allowed:
            assert verdict.retry_after >= 1
            now += verdict.retry_after
            assert rates.take("a", now).allowed


def test_each_participant_has_a_quota_of_its_own_and_it_comes_back() -> None:
    rates = Rates(3)
    assert [rates.take("a", 0.0).remaining for _ in range(3)] == [2, 1, 0]
    assert not rates.take("a", 0.0).allowed
    assert rates.take("b", 0.0).allowed
    assert rates.take("a", WINDOW).remaining == 2
    assert rates.policy == '"participant";q=3;w=60'


def test_it_forgets_those_who_ask_no_more() -> None:
    rates = Rates(10)
    for number in range(30_000):
        rates.take(f"participant-{number}", number * 0.1)
    assert len(rates._empty_at) <= 10_001
