"""JSON: the segments first, then rows as arrays in the order of `columns`."""

from collections.abc import Iterator

import orjson

from api.answers.rows import names, pieces
from api.answers.segments import head
from fieldlab.storage.selection import Answer


def write(answer: Answer, next_cursor: str | None) -> Iterator[bytes]:
    """Write a page as one JSON object, in pieces."""
    columns = ["time", "stream", *names(answer.rows), "segment"]
    before = orjson.dumps({**head(answer), "columns": columns})
    yield before[:-1] + b',"rows":['
    ids = {stream.key: str(stream.id) for stream in answer.streams}
    streams = [ids[segment.stream] for segment in answer.segments]
    comma = b""
    for piece in pieces(answer):
        of_row = [streams[number] for number in piece.segments]
        rows = list(zip(piece.times, of_row, *piece.columns.values(), piece.segments, strict=True))
        yield comma + orjson.dumps(rows)[1:-1]
        comma = b","
    yield b'],"next":' + orjson.dumps(next_cursor) + b"}"


def write_head(answer: Answer, next_cursor: str | None) -> bytes:
    """Write the decision alone."""
    return orjson.dumps({**head(answer), "next": next_cursor})
