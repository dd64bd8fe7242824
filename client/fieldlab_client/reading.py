"""Fetching an answer: as a stream of Arrow batches where the lab offers it, as pages of JSON where not."""

from collections.abc import Iterator, Mapping
from io import RawIOBase
from typing import Any

import httpx
import pyarrow as pa
from tqdm.auto import tqdm

from fieldlab_client.connection import Connection, Document
from fieldlab_client.errors import NotWhole
from fieldlab_client.table import Measurements, head_of

ARROW = "application/vnd.apache.arrow.stream"
_ACCEPT = f"{ARROW}, application/json;q=0.5"
_MEASUREMENTS = "/v1/measurements"
_PAGE = 100_000


def fetch(connection: Connection, question: Mapping[str, Any], *, label: str) -> Measurements:
    """Ask for measurements and give all of them; raises NotWhole when the answer breaks off."""
    with (
        connection.streamed("POST", _MEASUREMENTS, body=question, headers={"Accept": _ACCEPT}) as answer,
        tqdm(desc=label, unit="row", unit_scale=True, disable=not connection.progress, leave=False) as bar,
    ):
        if answer.headers.get("content-type", "").startswith(ARROW):
            return _streamed(answer, bar)
    return Measurements.of_pages(_pages(connection, question, label))


def fetch_from(connection: Connection, path: str, question: Mapping[str, Any], *, label: str) -> Measurements:
    """Ask another route that answers with measurements; raises NotWhole when the answer breaks off."""
    with (
        connection.streamed("GET", path, parameters=question, headers={"Accept": ARROW}) as answer,
        tqdm(desc=label, unit="row", unit_scale=True, disable=not connection.progress, leave=False) as bar,
    ):
        return _streamed(answer, bar)


def _streamed(answer: httpx.Response, bar: "tqdm[Any]") -> Measurements:
    try:
        with pa.ipc.open_stream(_Body(answer)) as stream:
            batches = []
            for batch in stream:
                batches.append(batch)
                bar.update(batch.num_rows)
            return Measurements.read(pa.Table.from_batches(batches, stream.schema), head_of(stream.schema))
    except pa.ArrowInvalid as error:
        raise NotWhole(f"The answer is no Arrow stream, or broke off: {error}. Ask again.") from error


def _pages(connection: Connection, question: Mapping[str, Any], label: str) -> Iterator[Document]:
    cursor: str | None = None
    with tqdm(desc=label, unit="row", unit_scale=True, disable=not connection.progress, leave=False) as bar:
        while True:
            page = connection.post(_MEASUREMENTS, {**question, "limit": _PAGE, "cursor": cursor})
            bar.update(len(page["rows"]))
            yield page
            cursor = page["next"]
            if cursor is None:
                return


class _Body(RawIOBase):
    """The body of an answer as a file that is read once."""

    def __init__(self, answer: httpx.Response) -> None:
        self._bits = answer.iter_bytes(1 << 20)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - typeshed has its type under another name
        if not self._left:
            self._left = next(self._bits, b"")
        given = min(len(buffer), len(self._left))
        buffer[:given], self._left = self._left[:given], self._left[given:]
        return given
