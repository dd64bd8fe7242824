"""A trial's package is played again as the machine it was taken from, value for value."""

import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from simulators.package import read_package
from simulators.replay import replay
from tests.integration.api.lab import CURRENT, STATE, Floor, busy_morning, floor
from tests.integration.api.test_exports import package, table
from tests.servers.database import Database


@pytest.fixture
async def lab(database: Database, tmp_path: Path) -> AsyncIterator[Floor]:
    async with floor(database, api_exports_directory=tmp_path / "exports") as opened:
        await busy_morning(opened)
        yield opened


async def test_a_package_is_played_as_it_was_recorded(lab: Floor, tmp_path: Path) -> None:
    packed = await package(lab, "sme-a", trial="tool-wear")
    file = tmp_path / "trial.zip"
    with zipfile.ZipFile(file, "w") as copy:
        for name in packed.namelist():
            copy.writestr(name, packed.read(name))
    found = read_package(file)
    assert (found.owner, found.reader) == ("sme-a", "sme-a")
    machine = replay(found.recordings["mill-1"], asset="mill-1")
    for reference in (CURRENT, STATE):
        rows = table(packed, reference)
        good = [row for row in rows.to_pylist() if row["status"] < 32768]
        times = np.array([round(row["time"].timestamp() * 1e6) for row in good], dtype=np.int64)
        played = machine.at(times).values[reference.partition(".")[2]].tolist()
        assert played == [row["value"] for row in good]
