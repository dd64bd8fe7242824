"""A recording is played as it was recorded."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from simulators.errors import InvalidSettingError
from simulators.generate import generate
from simulators.machines import Mill
from simulators.recording import read_recording
from simulators.replay import replay
from simulators.schedule import microseconds, moment
from simulators.signals import Kind
from simulators.telemetry import time_text

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOON_US = microseconds(NOON, "noon")
MILL = Mill(asset="mill-1", seed=1)
TIMES = NOON_US + np.arange(120, dtype=np.int64) * 1_000_000


def record(file: Path) -> Path:
    names = [signal.name for signal in MILL.signals]
    lines = [",".join(["time", *names])]
    lines += [",".join([time_text(at), *map(str, values)]) for at, values in MILL.at(TIMES).rows()]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_what_was_recorded_is_played_to_the_bit(tmp_path: Path) -> None:
    machine = replay(read_recording(record(tmp_path / "mill.csv")), asset="mill-1")
    [piece] = generate([machine], since=NOON, until=moment(NOON_US + 120_000_000))
    whole = MILL.at(TIMES).values
    assert list(piece.columns.values) == list(whole)
    for name, column in whole.items():
        assert piece.columns.values[name].tolist() == column.tolist()


def test_it_can_be_moved_to_another_time_and_looped(tmp_path: Path) -> None:
    recording = read_recording(record(tmp_path / "mill.csv"), columns={"axis_x": "x"}, units={"x": "mm"})
    start = datetime(2027, 1, 1, tzinfo=UTC)
    machine = replay(recording, asset="mill-1", start=start, loop=True)
    assert [(signal.name, signal.unit, signal.kind) for signal in machine.signals] == [("x", "mm", Kind.NUMBER)]
    x = machine.at(microseconds(start, "start") + np.arange(240, dtype=np.int64) * 1_000_000).values["x"].tolist()
    assert x[:119] == MILL.at(TIMES).values["axis_x"].tolist()[:119]
    assert x[119:238] == x[:119]


def test_cells_become_what_they_are_and_empty_ones_hold(tmp_path: Path) -> None:
    file = tmp_path / "any.csv"
    file.write_text(
        "when,level,open,note\n"
        "2026-11-21T13:00:02+01:00,3,true,b\n"
        "2026-11-21T12:00:00Z,1.5,False,007 a\n"
        "2026-11-21T12:00:01Z,,,\n"
    )
    machine = replay(read_recording(file, time="when"), asset="tank-1")
    rows = [values for _, values in machine.at(TIMES[:5]).rows()]
    assert rows == [(1.5, False, "007 a"), (1.5, False, "007 a"), *[(3.0, True, "b")] * 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column 'time'; it has a, b"),
        ("time,b\nnoon,2\n", "line 2: 'noon'"),
        ("time,b\n2026-11-21T12:00:00,2\n", "no zone"),
        ("time,b\n", "nothing to play"),
        ("", "it has none"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InvalidSettingError, match=said):
        read_recording(tmp_path / "bad.csv")
