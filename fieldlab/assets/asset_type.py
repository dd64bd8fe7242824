"""Asset types: what machines of one type measure. Those that come with Fieldlab lie beside this, one file a type."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from fieldlab.assets.lab import DeclaredType
from fieldlab.errors import InvalidInput

FOLDER: Final = Path(__file__).with_name("types")
"""`<type>.yaml`: data that a simulated machine and a real one share, without sharing code."""

AssetTypes = Mapping[str, DeclaredType]


def read_types(folder: Path = FOLDER) -> AssetTypes:
    """Read the asset types of a folder by name; raises InvalidInput that names the file."""
    return {file.stem: _read(file) for file in sorted(folder.glob("*.yaml"))}


def _read(file: Path) -> DeclaredType:
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = written.pop("type")
        found = DeclaredType.model_validate(written)
    except (ValidationError, yaml.YAMLError, AttributeError, KeyError) as error:
        raise InvalidInput(f"{file} does not describe an asset type: {error}") from None
    if name != file.stem:
        raise InvalidInput(f"{file} describes the type {name!r}; name the file after its type.")
    return found
