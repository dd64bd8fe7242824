"""Moulding machine, packaging line, meter and climate: their signals hang together as their equations say."""

from itertools import pairwise

import numpy as np

from simulators.columns import Columns, Numbers, Times
from simulators.conditions import Conditions, Window
from simulators.machines import Climate, Meter, Moulding, Packaging

MONDAY_US = 1_795_392_000_000_000
HOUR_US = 3_600_000_000


def seconds(count: int, step_us: int = 1_000_000) -> Times:
    return MONDAY_US + np.arange(count, dtype=np.int64) * step_us


def numbers(columns: Columns, name: str) -> Numbers:
    return columns.values[name].astype(np.float64)


def test_the_week_begins_on_a_monday() -> None:
    assert np.datetime64(MONDAY_US, "us").astype(object).weekday() == 0


def test_the_shot_is_pressed_only_into_a_shut_mould() -> None:
    shots = Moulding(asset="moulding-1", seed=1).at(seconds(36_000, 100_000))
    pressed = numbers(shots, "injection_pressure") > 100.0
    assert pressed.mean() > 0.1
    assert (numbers(shots, "clamping_force")[pressed] == 1200.0).all()


def test_a_short_shot_is_counted_as_scrap_and_reaches_less_pressure() -> None:
    shots = Moulding(asset="moulding-1", seed=1).at(seconds(36_000, 100_000))
    made, scrap = shots.values["shot_count"].astype(np.int64), shots.values["scrap_count"].astype(np.int64)
    assert 116 <= made[-1] - made[0] <= 118
    assert 4 <= scrap[-1] - scrap[0] <= 6
    peaks: dict[bool, list[float]] = {True: [], False: []}
    edges = np.flatnonzero(np.diff(made)) + 1
    for begin, end in pairwise(edges):
        peak = numbers(shots, "injection_pressure")[begin:end].max()
        peaks[bool(scrap[end] > scrap[begin])].append(float(peak))
    assert max(peaks[True]) < min(peaks[False])


def test_zones_are_held_at_their_temperature_by_their_heaters() -> None:
    shots = Moulding(asset="moulding-1", seed=1).at(seconds(7200))
    for zone, level in enumerate((205.0, 215.0, 225.0, 230.0), start=1):
        temperature = numbers(shots, f"zone_{zone}")
        assert np.abs(temperature - level).max() < 2.5
        heating = np.gradient(temperature)
        assert np.corrcoef(heating, numbers(shots, f"heater_{zone}"))[0, 1] > 0.9


def test_moulding_energy_is_the_integral_of_power() -> None:
    shots = Moulding(asset="moulding-1", seed=1).at(seconds(72_000, 100_000))
    integral = numbers(shots, "power").sum() * 0.1 / 3.6e6
    taken = numbers(shots, "energy")[-1] - numbers(shots, "energy")[0]
    assert abs(taken - integral) / integral < 0.02


def test_the_line_counts_packs_only_while_it_works() -> None:
    line = Packaging(asset="line-1", seed=2).at(seconds(7200))
    packs = line.values["product_count"].astype(np.int64)
    works = line.values["state"] == "EXECUTE"
    assert np.diff(packs)[~works[:-1] & ~works[1:]].sum() == 0
    assert abs(int(packs[-1] - packs[0]) - int(works.sum())) <= 16
    assert (numbers(line, "machine_speed")[~works] == 0.0).all()
    assert (line.values["jam"] == (line.values["state"] == "HELD")).all()


def test_a_jam_costs_the_packs_that_would_have_been_made_and_no_more() -> None:
    windows = (
        Window(name="jam", from_us=MONDAY_US + 600_000_000, until_us=MONDAY_US + 1_000_000_000),
        Window(name="jam", from_us=MONDAY_US + 800_000_000, until_us=MONDAY_US + 1_200_000_000),
    )
    healthy = Packaging(asset="line-1", seed=2)
    jammed = Packaging(asset="line-1", seed=2, conditions=Conditions(windows=windows))
    times = seconds(3600)
    lost = healthy.at(times).values["product_count"].astype(np.int64) - jammed.at(times).values["product_count"].astype(
        np.int64
    )
    would = (healthy.at(times[600:1200]).values["state"] == "EXECUTE").sum()
    assert lost[:600].max() == 0
    assert abs(int(lost[-1]) - int(would)) <= 1
    assert (np.diff(jammed.at(times).values["product_count"].astype(np.int64)) >= 0).all()
    assert set(jammed.at(times[600:1200]).values["state"].tolist()) == {"HELD"}


def test_each_phase_obeys_ohm_and_the_total_is_their_sum() -> None:
    meter = Meter(asset="meter-1", seed=3).at(seconds(86_400 // 10, 10_000_000))
    for phase in (1, 2, 3):
        power = numbers(meter, f"voltage_{phase}") * numbers(meter, f"current_{phase}") * numbers(meter, "power_factor")
        assert np.abs(power - numbers(meter, f"power_{phase}")).max() < 4.0
    total = sum(numbers(meter, f"power_{phase}") for phase in (1, 2, 3))
    assert np.abs(total - numbers(meter, "power")).max() < 0.3
    squares = numbers(meter, "power") ** 2 + numbers(meter, "reactive_power") ** 2
    assert np.abs(np.sqrt(squares) - numbers(meter, "apparent_power")).max() < 1.0


def test_the_meter_follows_the_week_and_its_energy_follows_its_power() -> None:
    week = Meter(asset="meter-1", seed=3).at(seconds(7 * 1440, 60_000_000))
    power = numbers(week, "power")
    assert power[10 * 60] > 4 * power[2 * 60]
    assert power[6 * 1440 + 600] < 8_000
    integral = power.sum() / 60.0 / 1000.0
    assert abs((numbers(week, "energy")[-1] - numbers(week, "energy")[0]) - integral) / integral < 0.01


def test_a_hall_at_work_is_louder_brighter_and_stuffier() -> None:
    climate = Climate(asset="hall-1", seed=4).at(seconds(7 * 1440, 60_000_000))
    work, night = slice(9 * 60, 11 * 60), slice(2 * 60, 4 * 60)
    for name in ("co2", "illuminance", "sound_level"):
        assert numbers(climate, name)[work].mean() > 1.3 * numbers(climate, name)[night].mean()
    assert not climate.values["door_open"][night].any()
    assert climate.values["door_open"][work].any()
    dew = numbers(climate, "temperature") - (100.0 - numbers(climate, "humidity")) / 5.0
    assert np.abs(dew - numbers(climate, "dew_point")).max() < 0.03
