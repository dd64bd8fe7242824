"""A page on its way out: short ones whole, long ones piece by piece."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from api.answers import as_csv, as_json
from api.answers.media import Format, Medium
from api.answers.rows import PIECE
from fieldlab.storage.selection import Answer

_WHOLE: Final = PIECE


def respond(answer: Answer, medium: Medium, *, next_cursor: str | None, next_: str | None, decision: str) -> Response:
    """Write a page in a medium; `next_` and `decision` are addresses of the next page and of the segments alone."""
    headers = {"Link": f'<{decision}>; rel="describedby"; type="application/json"', "Vary": "Accept"}
    if next_ is not None:
        headers["Link"] += f', <{next_}>; rel="next"'
    if medium.format is Format.CSV:
        parts = as_csv.write(answer, comments=medium.comments)
        headers["Content-Disposition"] = 'attachment; filename="measurements.csv"'
    else:
        parts = as_json.write(answer, next_cursor)
    if len(answer.rows) <= _WHOLE:
        return Response(b"".join(parts), headers=headers, media_type=medium.content_type)
    return StreamingResponse(_stepwise(parts), headers=headers, media_type=medium.content_type)


async def _stepwise(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
