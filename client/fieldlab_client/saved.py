"""An answer as a file: none that broke off takes the name of a whole one, and each can be checked later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
from pyarrow import parquet
from tqdm.auto import tqdm

from fieldlab_client.connection import Connection
from fieldlab_client.errors import FieldlabClientError, NotWhole

_FORMATS: Final = {
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".csv": "text/csv;header=comment",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_CHUNK: Final = 1 << 20
_TAIL: Final = 1 << 20
"""Bytes in which the last line of a file lies."""


def save(connection: Connection, question: Mapping[str, Any], path: str | Path, *, label: str) -> Path:
    """Fetch an answer into a file, whose suffix says the format; it has its name once it is whole and checked.

    Raises NotWhole when the answer breaks off; what came is gone then.
    """
    target = Path(path)
    accepted = {"Accept": _format_of(target)}
    part = target.with_name(f"{target.name}.part")
    try:
        with (
            connection.streamed("POST", "/v1/measurements", body=question, headers=accepted) as answer,
            part.open("wb") as file,
            tqdm(desc=label, unit="B", unit_scale=True, disable=not connection.progress, leave=False) as bar,
        ):
            for chunk in answer.iter_bytes(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        _count(part, _format_of(target))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def check(path: str | Path) -> int:
    """Give the number of rows in a saved answer; raises NotWhole for one that is not all that the lab gave.

    Each format has its own mark: the end of an Arrow stream, the footer of a Parquet file, the last line of NDJSON and
    of CSV with comments. CSV without comments has none, and so cannot be checked.
    """
    return _count(Path(path), _format_of(Path(path)))


def _format_of(path: Path) -> str:
    if path.suffix not in _FORMATS:
        raise FieldlabClientError(f"{path.name} should end in one of {', '.join(_FORMATS)}, which says the format.")
    return _FORMATS[path.suffix]


def _count(path: Path, format_: str) -> int:
    try:
        match format_.partition(";")[0]:
            case "application/vnd.apache.arrow.stream":
                return _of_arrow(path)
            case "application/vnd.apache.parquet":
                return _of_parquet(path)
            case _:
                return _of_lines(path)
    except pa.ArrowInvalid as error:
        raise NotWhole(f"{path} broke off: {error}. Fetch it again.") from error


def _of_arrow(path: Path) -> int:
    """Read all batches, and ask for the mark behind them, which readers do not."""
    with path.open("rb") as file:
        if _tail(file, len(_END_OF_STREAM)) != _END_OF_STREAM:
            raise NotWhole(f"{path} broke off: the mark that ends an Arrow stream is missing. Fetch it again.")
        file.seek(0)
        with pa.ipc.open_stream(file) as stream:
            return sum(batch.num_rows for batch in stream)


def _of_parquet(path: Path) -> int:
    """Read the footer, and the number of rows that the lab gave, where it says it there."""
    with parquet.ParquetFile(path) as file:
        rows: int = file.metadata.num_rows
        said = (file.metadata.metadata or {}).get(b"fieldlab.end")
    if said is not None and json.loads(said)["rows"] != rows:
        raise NotWhole(f"{path} has {rows} rows, and the lab gave {json.loads(said)['rows']}. Fetch it again.")
    return rows


def _of_lines(path: Path) -> int:
    """Read the last line, which says whether it is all, and how many rows there are."""
    with path.open("rb") as file:
        *_, last, behind = [b"", *_tail(file, _TAIL).split(b"\n")]
    try:
        end = json.loads(b"" if behind else last.removeprefix(b"#"))["end"]
    except (ValueError, KeyError, TypeError):
        raise NotWhole(f"{path} broke off: the line that ends it is missing. Fetch it again.") from None
    if not end["complete"]:
        raise NotWhole(f"{path} broke off: {end['reason']}.")
    return int(end["rows"])


def _tail(file: IO[bytes], size: int) -> bytes:
    """Read the last bytes of a file."""
    end = file.seek(0, 2)
    file.seek(max(0, end - size))
    return file.read(size)
