"""The asset types say what the machines say."""

import pytest
import yaml

from fieldlab.assets.lab import DeclaredStream
from simulators.asset_types import FOLDER, text_of
from simulators.machines import MACHINES


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_file_of_a_type_is_what_its_machine_says(name: str) -> None:
    written = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == text_of(MACHINES[name]), "bring it up to date with simulators.asset_types.write()"


def test_there_is_no_type_without_a_machine() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(MACHINES)


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_streams_of_a_type_can_stand_in_a_lab_declaration(name: str) -> None:
    declared = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert declared["type"] == name
    for stream in declared["streams"].values():
        limits = stream.pop("limits", {})
        assert set(limits) <= {"low", "high"}
        DeclaredStream.model_validate(stream)
