"""CSV (RFC 4180): one line a row with its owner and segment; the segments above it as comments where asked."""

import csv
import io
from collections.abc import Iterator
from typing import Final

import orjson

from api.answers.rows import Column, names, pieces
from api.answers.segments import head
from fieldlab.storage.selection import Answer

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(answer: Answer, *, comments: bool) -> Iterator[bytes]:
    """Write a page as CSV, in pieces; with `comments`, the decision above it as lines that begin with `# `.

    An empty field is a missing value. Text that a spreadsheet would take for a formula gets an apostrophe in front;
    numbers are never touched.
    """
    if comments:
        yield from _comments(answer)
    yield _lines([["time", "asset", "stream", *names(answer.rows), "owner", "segment"]])
    by_key = {stream.key: stream for stream in answer.streams}
    assets = [by_key[segment.stream].asset for segment in answer.segments]
    streams = [by_key[segment.stream].name for segment in answer.segments]
    owners = [segment.owner for segment in answer.segments]
    for piece in pieces(answer):
        numbers = piece.segments
        yield _lines(
            zip(
                piece.times,
                [assets[number] for number in numbers],
                [streams[number] for number in numbers],
                *(_safe(name, column) for name, column in piece.columns.items()),
                [owners[number] for number in numbers],
                numbers,
                strict=True,
            )
        )


def guarded(text: str) -> str:
    """Give a text as a spreadsheet may show it: never a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _safe(name: str, column: Column) -> Column:
    match name:
        case "value":
            return [guarded(value) if isinstance(value, str) else value for value in column]
        case "partial":
            return ["true" if partial else "false" for partial in column]
        case _:
            return column


def _comments(answer: Answer) -> Iterator[bytes]:
    before = head(answer)
    segments = before.pop("segments")
    for document in (before, *segments):
        yield b"# " + orjson.dumps(document) + b"\r\n"


def _lines(rows: "Iterator[tuple[object, ...]] | list[list[str]] | zip[tuple[object, ...]]") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
