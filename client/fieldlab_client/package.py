"""A package on one's own disk: tables of a trial with what they mean, readable without the lab."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyarrow import parquet

from fieldlab_client.errors import NotWhole
from fieldlab_client.segment import Segment
from fieldlab_client.table import Measurements

if TYPE_CHECKING:
    import pandas as pd

_CHUNK: Final = 1 << 20


class Package:
    """A ZIP of Parquet files with a manifest."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest: question, decision, streams with units and segments, files with checksums."""
        with zipfile.ZipFile(self.path) as archive:
            manifest: Mapping[str, Any] = json.loads(archive.read("manifest.json"))
            return manifest

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams in it."""
        return tuple(stream["reference"] for stream in self.manifest["streams"])

    def check(self) -> None:
        """Hold every file against its checksum; raises NotWhole, naming the first that differs."""
        with zipfile.ZipFile(self.path) as archive:
            for told in self.manifest["files"]:
                digest = sha256()
                with archive.open(told["path"]) as file:
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
                if digest.hexdigest() != told["sha256"]:
                    raise NotWhole(f"{told['path']} in {self.path} is not what the manifest says; download it again.")

    def read(self, stream: str) -> Measurements:
        """Read one stream."""
        told = next((one for one in self.manifest["streams"] if one["reference"] == stream), None)
        if told is None:
            raise KeyError(f"{stream!r} is not in {self.path}; these are: {', '.join(self.streams)}")
        with zipfile.ZipFile(self.path) as archive, archive.open(told["file"]) as file:
            table = parquet.read_table(file)
        named = pa.array([stream] * table.num_rows, pa.string())
        return Measurements(
            table=table.add_column(1, "stream", named),
            units={stream: told["unit"]},
            segments=tuple(Segment.read(one, {told["id"]: stream}) for one in told["segments"]),
            decided_at=self.manifest["decided_at"],
        )

    def frame(self, stream: str) -> pd.DataFrame:
        """Read one stream as a pandas frame."""
        return self.read(stream).frame()

    def __repr__(self) -> str:
        """Show what is in it."""
        rows = sum(stream["rows"] for stream in self.manifest["streams"])
        owners = ", ".join(self.manifest["owners"])
        return f"Package({self.manifest['title']!r}, {len(self.streams)} streams, {rows} rows, of {owners})"
