"""A package is played one owner at a time, and only as it was made."""

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from simulators.errors import InvalidSettingError
from simulators.package import read_package
from simulators.signals import Kind

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def table(values: list[object], owners: list[str], **more: object) -> bytes:
    times = [NOON + timedelta(seconds=at) for at in range(len(values))]
    columns = {
        "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "value": values,
        "status": pa.array([0] * len(values), pa.uint16()),
        "owner": pa.array(owners).dictionary_encode(),
        **more,
    }
    out = BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


def packed(
    path: Path, streams: Mapping[str, bytes], *, reader: str = "sme-a", owners: tuple[str, ...] = ("sme-a",)
) -> Path:
    kinds = {"power": "number", "open": "boolean", "state": "text"}
    manifest = {
        "format": "fieldlab-package/1",
        "title": "Trial cut",
        "for": reader,
        "owners": {owner: owner for owner in owners},
        "licences": ["CC-BY-4.0"],
        "streams": [
            {
                "asset": "mill-1",
                "name": name,
                "unit": "W" if name == "power" else "1",
                "kind": kinds[name],
                "file": f"data/mill-1/{name}.parquet",
                "sha256": sha256(content).hexdigest(),
            }
            for name, content in streams.items()
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in streams.items():
            archive.writestr(f"data/mill-1/{name}.parquet", content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return path


def test_numbers_switches_and_texts_come_with_their_units(tmp_path: Path) -> None:
    file = packed(
        tmp_path / "p.zip",
        {
            "power": table([1.5, 2.5], ["sme-a"] * 2),
            "open": table([0.0, 1.0], ["sme-a"] * 2),
            "state": table(["IDLE", "EXECUTE"], ["sme-a"] * 2),
        },
    )
    found = read_package(file)
    assert (found.title, found.owner, found.reader, found.licences) == ("Trial cut", "sme-a", "sme-a", ("CC-BY-4.0",))
    mill = found.recordings["mill-1"]
    assert [(one.name, one.kind, one.unit) for one in mill.signals] == [
        ("power", Kind.NUMBER, "W"),
        ("open", Kind.BOOLEAN, ""),
        ("state", Kind.TEXT, ""),
    ]
    assert [column.tolist() for column in mill.columns.values()] == [[1.5, 2.5], [False, True], ["IDLE", "EXECUTE"]]


def test_one_owner_s_rows_are_played_and_it_must_be_said_whose(tmp_path: Path) -> None:
    both = {"power": table([1.0, 2.0, 3.0], ["sme-a", "sme-b", "sme-a"])}
    file = packed(tmp_path / "p.zip", both, reader="lab", owners=("sme-a", "sme-b"))
    with pytest.raises(InvalidSettingError, match="holds data of sme-a, sme-b: say with --owner whose to play"):
        read_package(file)
    with pytest.raises(InvalidSettingError, match="say with --owner"):
        read_package(file, owner="sme-c")
    assert read_package(file, owner="sme-a").recordings["mill-1"].columns["power"].tolist() == [1.0, 3.0]
    assert read_package(file, owner="sme-b").recordings["mill-1"].columns["power"].tolist() == [2.0]


def test_another_s_data_is_named_even_where_it_is_all_there_is(tmp_path: Path) -> None:
    file = packed(tmp_path / "p.zip", {"power": table([1.0], ["sme-a"])}, reader="researcher")
    with pytest.raises(InvalidSettingError, match="say with --owner"):
        read_package(file)
    assert read_package(file, owner="sme-a").reader == "researcher"


def test_a_changed_package_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path / "p.zip", {"power": table([1.0], ["sme-a"])})
    with zipfile.ZipFile(file) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("data/mill-1/power.parquet", table([9.0], ["sme-a"]))
    with pytest.raises(InvalidSettingError, match="is not what the manifest says"):
        read_package(file)


def test_what_is_no_package_of_samples_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "none.zip").write_bytes(b"PK")
    with pytest.raises(InvalidSettingError, match="is no package of the platform"):
        read_package(tmp_path / "none.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": "else/2"}))
    with pytest.raises(InvalidSettingError, match="of another format: 'else/2'"):
        read_package(tmp_path / "other.zip")
    means = BytesIO()
    parquet.write_table(pa.table({"time": [NOON], "mean": [1.0], "owner": ["sme-a"]}), means)
    file = packed(tmp_path / "means.zip", {"power": means.getvalue()})
    with pytest.raises(InvalidSettingError, match="holds buckets; only samples can be played"):
        read_package(file)
