"""Packages of the platform as recordings: a ZIP of Parquet files with a manifest that says whose each row is.

The rows of one owner are played at a time, because what they become is to be that owner's again.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from simulators.errors import InvalidSettingError
from simulators.recording import Recording, from_table

_FORMAT = "fieldlab-package/1"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Package:
    """What one owner has in a package: `reader` is for whom it was made, `recordings` are by asset."""

    title: str
    owner: str
    reader: str
    licences: tuple[str, ...]
    recordings: Mapping[str, Recording]


def read_package(path: Path, *, owner: str | None = None) -> Package:
    """Read the rows of one owner; it need not be named where all of the package is its reader's own.

    Raises InvalidSettingError for a file that is no package, that was changed, or that holds another owner's data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest.get("format") != _FORMAT:
                raise InvalidSettingError(f"{path} is a package of another format: {manifest.get('format')!r}")
            chosen = _owner(path, manifest, owner)
            rows: dict[str, list[object]] = {"time": [], "asset": [], "stream": [], "value": [], "status": []}
            for stream in manifest["streams"]:
                _add(path, archive, stream, chosen, rows)
            units = {stream["name"]: stream["unit"] for stream in manifest["streams"]}
            title, reader, licences = manifest["title"], manifest["for"], tuple(manifest["licences"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise InvalidSettingError(f"{path} is no package of the platform: {error}") from None
    recordings = from_table(path, rows, units=units)
    return Package(title=title, owner=chosen, reader=reader, licences=licences, recordings=recordings)


def _owner(path: Path, manifest: Mapping[str, Any], asked: str | None) -> str:
    owners = list(manifest["owners"])
    if asked is None and owners == [manifest["for"]]:
        return str(manifest["for"])
    if asked is None or asked not in owners:
        raise InvalidSettingError(
            f"{path} holds data of {', '.join(owners) or 'nobody'}: say with --owner whose to play, "
            "to an asset whose home owner that is"
        )
    return asked


def _add(
    path: Path, archive: zipfile.ZipFile, stream: Mapping[str, Any], owner: str, rows: Mapping[str, list[object]]
) -> None:
    from pyarrow import compute, parquet

    content = archive.read(stream["file"])
    if sha256(content).hexdigest() != stream["sha256"]:
        raise InvalidSettingError(f"{path}: {stream['file']} is not what the manifest says; take the package again")
    table = parquet.read_table(BytesIO(content))
    if "value" not in table.column_names:
        raise InvalidSettingError(f"{path}: {stream['file']} holds buckets; only samples can be played")
    table = table.filter(compute.equal(table.column("owner").cast("string"), owner))
    values = table.column("value").to_pylist()
    rows["time"] += table.column("time").to_pylist()
    rows["asset"] += [stream["asset"]] * len(values)
    rows["stream"] += [stream["name"]] * len(values)
    rows["value"] += [bool(value) for value in values] if stream["kind"] == "boolean" else values
    rows["status"] += table.column("status").to_pylist()
