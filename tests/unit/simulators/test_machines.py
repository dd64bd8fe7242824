"""What every simulated machine promises: one value for one seed and time, within its description, in known units."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.columns import Columns, Times
from simulators.conditions import Conditions, Window
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.machines import MACHINES, Mill
from simulators.signals import Kind

NOON_US = 1_795_262_400_000_000
TYPES = sorted(MACHINES)
UCUM = {
    "", "1", "%", "/min", "A", "V", "W", "kW.h", "var", "V.A", "Hz", "Cel", "deg", "N.m", "mm", "mm/s", "mm/min", "bar",
    "hPa", "kN", "lx", "[ppm]", "dB[A]",
}  # fmt: skip


def machine_of(name: str, seed: int = 7) -> Machine:
    return MACHINES[name](asset=f"{name}-1", seed=seed)


def seconds(count: int, step_us: int = 1_000_000) -> Times:
    return NOON_US + np.arange(count, dtype=np.int64) * step_us


def same(one: Columns, other: Columns) -> bool:
    return all(one.values[name].tobytes() == other.values[name].tobytes() for name in one.values)


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(NOON_US - 400 * 86_400_000_000, NOON_US + 400 * 86_400_000_000),
    cuts=st.lists(st.integers(1, 399), max_size=5, unique=True),
    step_us=st.sampled_from([1, 999, 10_000, 1_000_000, 61_000_000]),
)
def test_a_value_is_the_same_to_the_bit_however_time_is_sliced(
    name: str, start: int, cuts: list[int], step_us: int
) -> None:
    times = start + np.arange(400, dtype=np.int64) * step_us
    machine = machine_of(name)
    whole = machine.at(times)
    parts = [machine.at(part) for part in np.split(times, sorted(cuts))]
    joined = Columns(
        times_us=times, values={key: np.concatenate([part.values[key] for part in parts]) for key in whole.values}
    )
    assert same(joined, whole)
    backwards = machine.at(times[::-1])
    assert all(np.array_equal(backwards.values[key][::-1], whole.values[key]) for key in whole.values)


@pytest.mark.parametrize("name", TYPES)
def test_one_time_alone_gives_what_it_gives_in_company(name: str) -> None:
    machine, times = machine_of(name), seconds(300, 770_001)
    whole = list(machine.at(times).rows())
    assert [next(machine.at(times[index : index + 1]).rows()) for index in range(300)] == whole


@pytest.mark.parametrize("name", TYPES)
def test_no_times_give_empty_columns(name: str) -> None:
    empty = machine_of(name).at(np.array([], dtype=np.int64))
    assert len(empty) == 0
    assert list(empty.rows()) == []


@pytest.mark.parametrize("name", TYPES)
def test_another_seed_is_another_machine(name: str) -> None:
    times = seconds(600)
    assert not same(machine_of(name, seed=1).at(times), machine_of(name, seed=2).at(times))
    assert same(machine_of(name, seed=1).at(times), replace(machine_of(name, seed=1), asset="other").at(times))


@pytest.mark.parametrize("name", TYPES)
def test_every_value_is_what_its_signal_describes(name: str) -> None:
    machine = machine_of(name)
    columns = machine.at(seconds(86_400 // 7, 7_000_000 * 5))
    assert list(columns.values) == [signal.name for signal in machine.signals]
    assert len(set(columns.values)) == len(machine.signals)
    for signal in machine.signals:
        column = columns.values[signal.name]
        assert signal.unit in UCUM
        assert signal.quantity
        assert signal.description
        match signal.kind:
            case Kind.TEXT:
                assert column.dtype.kind == "U"
                assert all(column.tolist())
            case Kind.BOOLEAN:
                assert column.dtype == np.bool_
            case Kind.NUMBER:
                assert column.dtype == (np.int64 if signal.whole else np.float64)
                assert np.isfinite(column).all()
                assert signal.low is not None
                assert column.min() >= signal.low
                assert signal.high is None or column.max() < signal.high, f"{signal.name} sits at its limit"
                assert signal.decimals is not None
                assert np.array_equal(np.round(column, signal.decimals), column)


@pytest.mark.parametrize("name", TYPES)
def test_counters_never_fall(name: str) -> None:
    machine = machine_of(name)
    for signal in machine.signals:
        if signal.whole or signal.unit == "kW.h":
            column = machine.at(seconds(4 * 3600)).values[signal.name]
            assert (np.diff(column) >= 0).all(), signal.name
            assert column[-1] > column[0], signal.name
            assert (machine.at(np.array([0, 10**15], dtype=np.int64)).values[signal.name] == 0).all()


@pytest.mark.parametrize("name", TYPES)
def test_every_condition_shows_in_its_window_and_nowhere_else(name: str) -> None:
    healthy, times = machine_of(name), seconds(3 * 3600)
    for condition in healthy.weaknesses:
        window = Window(name=condition, from_us=NOON_US + 3_600_000_000, until_us=NOON_US + 7_200_000_000)
        ill = replace(healthy, conditions=Conditions(windows=(window,))).at(times)
        for key, column in healthy.at(times).values.items():
            differs = column != ill.values[key]
            assert not differs[:3600].any(), key
            if not key.endswith("_count") and key != "energy":
                assert not differs[7200:].any(), key
        assert any((column != ill.values[key]).any() for key, column in healthy.at(times).values.items()), condition


def test_an_unknown_condition_is_refused_naming_those_there_are() -> None:
    window = Window(name="jam", from_us=0, until_us=1)
    with pytest.raises(InvalidSettingError, match=r"'jam'; it knows bearing_defect, overheating, tool_wear"):
        Mill(asset="mill-1", conditions=Conditions(windows=(window,)))


def test_an_asset_name_that_would_break_a_topic_is_refused() -> None:
    for name in ("", "a/b", "#", "+", "mill 1"):
        with pytest.raises(InvalidSettingError, match="topic"):
            Mill(asset=name)
