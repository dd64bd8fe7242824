"""The mill's signals hang together as its equations say."""

import numpy as np
import pytest

from simulators.columns import Numbers
from simulators.conditions import NOMINAL, Conditions, Window
from simulators.machines.mill import TOOL_LIFE, Mill, wear_of

NOON_US = 1_795_262_400_000_000
TIMES = NOON_US + np.arange(6 * 3600, dtype=np.int64) * 1_000_000
DAY = Mill(asset="mill-1", seed=11).at(TIMES).values
RUNS = DAY["spindle_speed"].astype(np.float64) > 0


def numbers(name: str) -> Numbers:
    return DAY[name].astype(np.float64)


def test_a_spindle_that_stands_takes_no_current() -> None:
    assert 0.2 < RUNS.mean() < 0.95
    assert (numbers("spindle_current")[~RUNS] == 0).all()
    assert (numbers("spindle_current")[RUNS] > 1.0).all()


@pytest.mark.parametrize("state", ["IDLE", "HELD", "COMPLETE"])
def test_nothing_moves_while_the_mill_does_not_run(state: str) -> None:
    still = DAY["state"] == state
    assert still.sum() > 60
    assert not RUNS[still].any()
    assert (numbers("feed_rate")[still] == 0).all()
    assert (numbers("axis_z")[still] == 150.0).all()


def test_all_states_of_the_cycle_are_met() -> None:
    assert set(DAY["state"].tolist()) == {
        "IDLE", "HELD", "RESETTING", "STARTING", "EXECUTE", "COMPLETING", "COMPLETE",
    }  # fmt: skip


def test_power_follows_current_and_feed() -> None:
    expected = 350.0 + 520.0 * numbers("spindle_current") + 0.02 * numbers("feed_rate")
    assert np.abs(numbers("power") - expected).max() < 0.4


DULL = Window(name="tool_wear", from_us=NOON_US + 600_000_001, until_us=NOON_US + 2_400_000_000, ramp_us=10**9)


@pytest.mark.parametrize("conditions", [NOMINAL, Conditions(windows=(DULL,))], ids=["well", "dull"])
def test_energy_is_the_integral_of_power(conditions: Conditions) -> None:
    fine = NOON_US + np.arange(36_000, dtype=np.int64) * 100_000
    hour = Mill(asset="mill-1", seed=11, conditions=conditions).at(fine).values
    integral = np.cumsum(hour["power"].astype(np.float64)) * 0.1 / 3.6e6
    taken = hour["energy"].astype(np.float64) - hour["energy"].astype(np.float64)[0]
    assert np.abs(taken - integral).max() < 0.005
    assert taken[-1] > 2.0


def test_the_energy_that_a_dull_tool_took_stays_on_the_meter() -> None:
    after = NOON_US + np.array([0, 3_600_000_000, 86_400_000_000], dtype=np.int64)
    well, dull = (
        Mill(asset="mill-1", seed=11, conditions=conditions).at(after).values["energy"].astype(np.float64)
        for conditions in (NOMINAL, Conditions(windows=(DULL,)))
    )
    before, *more = (dull - well).tolist()
    assert before == 0.0
    assert more[0] > 0.05
    assert more[0] == pytest.approx(more[1], abs=2.1e-4)


def test_a_worn_tool_draws_more_current_and_shakes_more() -> None:
    wear, cutting = numbers("tool_wear"), (DAY["state"] == "EXECUTE") & (np.abs(numbers("axis_z") + 2.0) < 0.01)
    sharp, blunt = cutting & (wear < 0.1), cutting & (wear > 0.7)
    assert sharp.sum() > 20
    assert blunt.sum() > 20
    assert numbers("spindle_current")[blunt].mean() > 1.15 * numbers("spindle_current")[sharp].mean()
    assert numbers("vibration_rms")[blunt].mean() > 1.5 * numbers("vibration_rms")[sharp].mean()


def test_wear_grows_with_every_part_until_the_tool_is_changed() -> None:
    life = wear_of(np.arange(2 * TOOL_LIFE))
    assert life[0] == 0.0
    assert life[TOOL_LIFE] == 0.0
    assert (np.diff(life[:TOOL_LIFE]) > 0).all()
    assert 0.85 < life[TOOL_LIFE - 1] < 1.0


def test_thirty_six_parts_are_made_an_hour() -> None:
    counts = DAY["part_count"].astype(np.int64)
    assert abs(int(counts[-1] - counts[0]) - 6 * 36) <= 4


def test_the_feed_rate_is_the_speed_of_the_axes() -> None:
    fine = NOON_US + np.arange(9000, dtype=np.int64) * 10_000
    part = Mill(asset="mill-1", seed=11).at(fine).values
    path = np.stack([part[f"axis_{axis}"].astype(np.float64) for axis in "xyz"])
    speed = np.sqrt((np.diff(path, axis=1) ** 2).sum(axis=0)) / 0.01 * 60.0
    steady = np.diff(part["feed_rate"].astype(np.float64)) == 0
    assert np.abs(speed - part["feed_rate"].astype(np.float64)[:-1])[steady].max() < 12.0
