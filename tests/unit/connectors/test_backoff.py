"""Tries come slower and slower, spread by chance, and at once again after a connection that stood."""

from connectors.backoff import Backoff


def test_waits_double_up_to_the_longest_and_are_spread_over_their_upper_half() -> None:
    backoff = Backoff(shortest=1.0, longest=8.0)
    for whole in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert whole / 2 <= backoff.pause() <= whole
    assert len({Backoff().pause() for _ in range(20)}) > 1


def test_only_a_connection_that_stood_for_a_while_starts_the_waits_anew() -> None:
    backoff = Backoff(shortest=1.0, longest=8.0)
    for _ in range(4):
        backoff.pause()
    assert not backoff.stood(1.0)
    assert backoff.pause() >= 4.0
    assert backoff.stood(60.0)
    assert backoff.pause() <= 1.0
