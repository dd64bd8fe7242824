"""A recording is read as it was written, from CSV and Parquet, wide and long."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from simulators.errors import InvalidSettingError
from simulators.recording import read_recording, read_recordings
from simulators.signals import Kind

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG = """# segment 0: owner sme-a
time,asset,stream,value,status,owner,segment
2026-11-21T12:00:00.000000Z,mill-1,power,1.5,0,sme-a,0
2026-11-21T12:00:02.000000Z,mill-1,power,2.5,0,sme-a,0
2026-11-21T12:00:03.000000Z,mill-1,power,99.0,32768,sme-a,0
2026-11-21T12:00:01.000000Z,mill-1,state,'-A,0,sme-a,1
2026-11-21T12:00:02.000000Z,mill-1,state,B,0,sme-a,1
2026-11-21T12:00:02.000000Z,robot-1,gripper,true,0,sme-a,2
"""


def test_an_answer_of_the_platform_becomes_a_machine_for_each_asset(tmp_path: Path) -> None:
    file = tmp_path / "answer.csv"
    file.write_text(LONG)
    found = read_recordings(file, units={"power": "W"})
    assert list(found) == ["mill-1", "robot-1"]
    mill = found["mill-1"]
    assert [(one.name, one.kind, one.unit) for one in mill.signals] == [
        ("power", Kind.NUMBER, "W"),
        ("state", Kind.TEXT, ""),
    ]
    assert mill.columns["power"].tolist() == [1.5, 1.5, 2.5], "a bad value is left out, the last good one holds"
    assert mill.columns["state"].tolist() == ["-A", "-A", "B"]
    only = read_recording(file, columns={"power": "watts"})
    assert [(one.name) for one in only.signals] == ["watts"]
    with pytest.raises(InvalidSettingError, match="holds 2 assets: mill-1, robot-1"):
        read_recording(file)


def test_parquet_is_read_as_the_same_table_in_csv_is(tmp_path: Path) -> None:
    times = [NOON, NOON.replace(second=1), NOON.replace(second=2)]
    table = pa.table(
        {
            "when": pa.array(times, pa.timestamp("us", tz="UTC")),
            "level": [0.1, None, 0.3],
            "open": [True, False, None],
            "note": ["a", None, "b"],
        }
    )
    parquet.write_table(table, tmp_path / "any.parquet")
    (tmp_path / "any.csv").write_text(
        "when,level,open,note\n2026-11-21T12:00:00Z,0.1,true,a\n2026-11-21T12:00:01Z,,false,\n2026-11-21T12:00:02Z,0.3,,b\n"
    )
    ours, theirs = (read_recording(tmp_path / f"any.{kind}", time="when") for kind in ("parquet", "csv"))
    assert ours.times_us.tolist() == theirs.times_us.tolist()
    assert ours.signals == theirs.signals
    for name, column in ours.columns.items():
        assert column.tolist() == theirs.columns[name].tolist()


def test_parquet_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(InvalidSettingError, match=r"bad\.parquet cannot be read as Parquet"):
        read_recording(file)
