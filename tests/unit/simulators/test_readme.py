"""The README of the simulators names what is there."""

import re
from pathlib import Path

import simulators
from simulators.machines import MACHINES
from simulators.sensor import SensorFault
from simulators.wire import WireFault

FOLDER = Path(simulators.__file__).parent
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_machine_and_fault_is_named() -> None:
    for name in (*MACHINES, *SensorFault, *WireFault):
        assert f"`{name}`" in TEXT, name


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py|[a-z]+/)`", TEXT)
    assert len(named) > 8
    for name in named:
        assert (FOLDER / name).exists(), name
