"""Generated samples are the machines' own, and come fast enough for load tests."""

from datetime import UTC, datetime, timedelta

import numpy as np

from simulators.generate import generate
from simulators.machines import Climate, Mill
from simulators.schedule import microseconds

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_pieces_are_the_machines_samples_in_order_of_time() -> None:
    machines = [Mill(asset="mill-1", seed=1), Climate(asset="hall-1", seed=2)]
    pieces = list(generate(machines, since=NOON, until=NOON + timedelta(hours=3)))
    assert [piece.machine.asset for piece in pieces] == ["mill-1", "hall-1"] * 3
    times = microseconds(NOON, "noon") + np.arange(3 * 3600, dtype=np.int64) * 1_000_000
    for machine in machines:
        own = [piece.columns for piece in pieces if piece.machine is machine]
        whole = machine.at(times)
        for signal in machine.signals:
            assert np.array_equal(
                np.concatenate([piece.values[signal.name] for piece in own]), whole.values[signal.name]
            )
