"""The asset types say what the machines say."""

import pytest

from fieldlab.assets.asset_type import FOLDER, read_types
from simulators.asset_types import text_of
from simulators.machines import MACHINES


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_file_of_a_type_is_what_its_machine_says(name: str) -> None:
    written = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == text_of(MACHINES[name]), "bring it up to date with simulators.asset_types.write(FOLDER)"


def test_there_is_no_type_without_a_machine() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(MACHINES)


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_a_type_brings_a_lab_the_streams_of_its_machine(name: str) -> None:
    declared = read_types()[name]
    assert {stream: one.unit for stream, one in declared.streams.items()} == {
        signal.name: signal.unit or "1" for signal in MACHINES[name].signals
    }
