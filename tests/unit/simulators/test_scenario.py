"""A scenario does what its file says, to whom and when it says, and tells the truth about it."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.columns import Numbers
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.machines import MACHINES, Mill, Robot
from simulators.scenario import SCENARIOS, Scenario, read_scenario
from simulators.truth import Alarm, Truth, read_alarms, read_truth, score, write_truth
from simulators.wire import BadWire, Message, Wire, WireFault, each, spoil

START_US = 1_795_262_400_000_000
MINUTE_US = 60_000_000
TIMES = START_US + np.arange(3600, dtype=np.int64) * 1_000_000
TICKS = TIMES.tolist()
MILL = Mill(asset="mill-1", seed=9)


def scenario(folder: Path, text: str) -> Scenario:
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return read_scenario(file)


def shown(machine: Machine, signal: str) -> Numbers:
    return machine.at(TIMES).values[signal].astype(np.float64)


def test_a_condition_begins_grows_and_ends_when_the_file_says(tmp_path: Path) -> None:
    staged = scenario(
        tmp_path,
        "faults: [{asset: mill-1, fault: overheating, from: 10m, until: 30m, ramp: 10m, level: 0.5}]",
    ).stage([MILL], START_US)
    heat = shown(staged.machines[0], "spindle_temperature") - shown(MILL, "spindle_temperature")
    assert (heat[:600] == 0.0).all()
    assert heat[900] == pytest.approx(10.0, abs=0.02)
    assert heat[1200:1800] == pytest.approx(20.0, abs=0.02)
    assert (heat[1800:] == 0.0).all()
    assert staged.truth == (
        Truth(
            asset="mill-1",
            fault="overheating",
            signal="",
            from_us=START_US + 10 * MINUTE_US,
            until_us=START_US + 30 * MINUTE_US,
        ),
    )


def test_a_drifting_sensor_moves_away_in_a_straight_line(tmp_path: Path) -> None:
    staged = scenario(
        tmp_path,
        "faults: [{asset: mill-1, fault: drift, signal: spindle_temperature, from: 10m, until: 20m, by: 6}]",
    ).stage([MILL], START_US)
    off = shown(staged.machines[0], "spindle_temperature") - shown(MILL, "spindle_temperature")
    assert off[900] == pytest.approx(3.0, abs=0.02)
    assert off[1199] == pytest.approx(6.0, abs=0.03)
    assert (off[:600] == 0.0).all()
    assert (off[1200:] == 0.0).all()


def test_a_stuck_sensor_shows_what_it_showed_at_the_start(tmp_path: Path) -> None:
    stuck = (
        scenario(
            tmp_path,
            """
            faults:
              - {asset: mill-1, fault: stuck, signal: vibration_rms, from: 5m, until: 6m}
              - {asset: mill-1, fault: stuck, signal: state, from: 5m, until: 8m}
            """,
        )
        .stage([MILL], START_US)
        .machines[0]
        .at(TIMES)
        .values
    )
    right = MILL.at(TIMES).values
    assert set(stuck["vibration_rms"][300:360].tolist()) == {right["vibration_rms"][300]}
    assert set(stuck["state"][300:480].tolist()) == {right["state"][300]}
    assert (stuck["vibration_rms"][360:] == right["vibration_rms"][360:]).all()


def test_times_of_the_clock_and_durations_name_the_same_moments(tmp_path: Path) -> None:
    relative = scenario(tmp_path, "faults: [{asset: mill-1, fault: overheating, from: 10m, until: 0.5h}]")
    absolute = scenario(
        tmp_path,
        "faults: [{asset: mill-1, fault: overheating, from: 2026-11-21T12:10:00Z, until: '2026-11-21T13:30:00+01:00'}]",
    )
    assert relative.stage([MILL], START_US) == absolute.stage([MILL], START_US)


def test_scenarios_include_and_join_one_another(tmp_path: Path) -> None:
    (tmp_path / "network.yaml").write_text("faults: [{asset: robot-1, fault: drop_out, from: 1m, until: 2m}]")
    whole = scenario(
        tmp_path, "include: [network.yaml]\nfaults: [{asset: mill-1, fault: tool_wear, from: 1m, until: 2m}]"
    )
    robot = Robot(asset="robot-1", seed=1)
    staged = (whole + whole).stage([MILL, robot], START_US)
    assert [one.fault for one in staged.truth] == ["tool_wear", "drop_out"] * 2
    assert len(staged.wires["robot-1"]) == 2
    assert staged.wires["mill-1"] == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faults: [{asset: mill-1, fault: melting, from: 1m, until: 2m}]", "knows no 'melting'.*tool_wear"),
        ("faults: [{asset: mill-9, fault: tool_wear, from: 1m, until: 2m}]", "'mill-9'.*mill-1"),
        ("faults: [{asset: mill-1, fault: tool_wear, from: 2m, until: 1m}]", "faults.0: .*until must lie after"),
        ("faults: [{asset: mill-1, fault: tool_wear, from: soon, until: 1m}]", "faults.0.from.*neither a duration"),
        ("faults: [{asset: mill-1, fault: tool_wear, from: 2026-11-21T08:00:00, until: 1m}]", "no zone"),
        ("faults: [{asset: mill-1, fault: drift, signal: power, from: 1m, until: 2m}]", "needs by"),
        ("faults: [{asset: mill-1, fault: stuck, from: 1m, until: 2m}]", "name its signal"),
        ("faults: [{asset: mill-1, fault: stuck, signal: smell, from: 1m, until: 2m}]", "no signal 'smell'"),
        ("faults: [{asset: mill-1, fault: drift, signal: state, by: 1, from: 1m, until: 2m}]", "only be stuck"),
        ("faults: [{asset: mill-1, fault: clock_skew, from: 1m, until: 2m}]", "needs seconds"),
        ("faults: [{asset: mill-1, fault: tool_wear, from: 1m, until: 2m, force: 1}]", "faults.0.force"),
        ("faults: [", "is not YAML"),
        ("include: [nowhere.yaml]", "nowhere.yaml cannot be read"),
        ("include: [scenario.yaml]", "includes itself"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidSettingError, match=said):
        scenario(tmp_path, text).stage([MILL], START_US)


def carried(fault: WireFault, *, share: float = 1.0, seconds: float = 0.0, seed: int = 1) -> list[Message]:
    bad = BadWire(
        fault=fault,
        from_us=START_US + MINUTE_US,
        until_us=START_US + 2 * MINUTE_US,
        share=share,
        seconds=seconds,
    )
    return list(each(Wire(seed, [bad]), TICKS[:300]))


def test_a_drop_out_loses_what_falls_into_it() -> None:
    assert [message.tick_us for message in carried(WireFault.DROP_OUT)] == TICKS[:60] + TICKS[120:300]


def test_a_share_of_the_messages_meets_the_fault_and_the_same_seed_meets_the_same() -> None:
    half = carried(WireFault.DROP_OUT, share=0.5)
    assert 255 <= len(half) <= 285
    assert half == carried(WireFault.DROP_OUT, share=0.5)
    assert half != carried(WireFault.DROP_OUT, share=0.5, seed=2)


def test_duplicates_come_twice() -> None:
    assert [message.tick_us for message in carried(WireFault.DUPLICATE)] == sorted(TICKS[:300] + TICKS[60:120])


def test_disorder_swaps_neighbours_and_loses_none() -> None:
    ticks = [message.tick_us for message in carried(WireFault.OUT_OF_ORDER)]
    assert sorted(ticks) == TICKS[:300]
    assert ticks[60:62] == [TICKS[61], TICKS[60]]
    assert ticks[120:] == TICKS[120:300]


def test_a_burst_brings_all_at_once_when_it_ends() -> None:
    bad = BadWire(fault=WireFault.BURST, from_us=TICKS[60], until_us=TICKS[120])
    wire = Wire(1, [bad])
    sent = [len(wire.carry(tick)) for tick in TICKS[:122]]
    assert sent == [1] * 60 + [0] * 60 + [61, 1]
    assert [message.tick_us for message in each(Wire(1, [bad]), TICKS[:100])] == TICKS[:100]


def test_a_skewed_clock_shows_in_the_time_of_the_message() -> None:
    off = [message.time_us - message.tick_us for message in carried(WireFault.CLOCK_SKEW, seconds=-90.0)]
    assert off == [0] * 60 + [-90_000_000] * 60 + [0] * 180


def test_a_storm_breaks_the_connection_every_so_often() -> None:
    storm = carried(WireFault.RECONNECT_STORM, seconds=10.0)
    breaks = [message.tick_us for message in storm if message.breaks_connection]
    assert breaks == TICKS[60:120:10]


@given(st.integers(0, 3), st.integers(0, 2000))
def test_garbage_is_never_the_message_it_was(way: int, tick: int) -> None:
    payload = b'{"time":"2026-11-21T12:00:00.000000Z","power":%d,"state":"IDLE"}' % tick
    assert spoil(payload, way) != payload
    assert {message.spoilt for message in carried(WireFault.GARBAGE)[60:120]} == {0, 1, 2, 3}


def test_the_truth_survives_its_file(tmp_path: Path) -> None:
    truth = [
        Truth(asset="mill-1", fault="drift", signal="power", from_us=START_US + 1, until_us=START_US + MINUTE_US),
        Truth(asset="mill-1", fault="tool_wear", signal="", from_us=START_US, until_us=START_US + 2),
    ]
    write_truth(tmp_path / "truth.csv", truth)
    assert read_truth(tmp_path / "truth.csv") == truth


def test_a_use_case_is_scored_by_precision_recall_and_lead(tmp_path: Path) -> None:
    truth = [
        Truth(asset="mill-1", fault="tool_wear", signal="", from_us=START_US, until_us=START_US + 10 * MINUTE_US),
        Truth(asset="mill-1", fault="overheating", signal="", from_us=TICKS[1800], until_us=TICKS[2400]),
    ]
    (tmp_path / "alarms.csv").write_text(
        "time,asset,note\n"
        "2026-11-21T12:04:00Z,mill-1,worn\n"
        "2026-11-21T12:05:00Z,mill-1,still worn\n"
        "2026-11-21T12:05:00Z,robot-1,no\n"
        "2026-11-21T12:10:00Z,mill-1,too late\n"
    )
    found = score(truth, read_alarms(tmp_path / "alarms.csv"))
    assert (found.alarms, found.faults, found.precision, found.recall) == (4, 2, 0.5, 0.5)
    assert found.lead == timedelta(minutes=6)


def test_nothing_to_divide_by_is_said_so() -> None:
    assert score([], []).precision is None
    assert score([], []).recall is None
    assert score([], [Alarm(asset="mill-1", time_us=0)]).precision == 0.0


@pytest.mark.parametrize(
    ("text", "said"), [("when,asset\n", "no column 'time'"), ("time,asset\nnoon,mill-1\n", "line 2.*'noon'")]
)
def test_an_alarm_file_that_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "alarms.csv").write_text(text)
    with pytest.raises(InvalidSettingError, match=said):
        read_alarms(tmp_path / "alarms.csv")


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_scenarios_that_come_along_can_be_played(file: Path) -> None:
    machines = [kind(asset=f"{name}-1") for name, kind in MACHINES.items()]
    staged = read_scenario(file).stage(machines, START_US)
    assert staged.truth
    for machine in staged.machines:
        assert len(machine.at(TIMES[::60])) == 60
