"""An answer on its way out: short ones whole, long ones batch by batch."""

from dataclasses import replace
from typing import Final

from starlette.responses import Response

from api.answers.as_arrow import ArrowEncoder
from api.answers.as_csv import CsvEncoder
from api.answers.as_json import JsonEncoder, write_newest
from api.answers.as_ndjson import NdjsonEncoder
from api.answers.as_parquet import ParquetEncoder
from api.answers.as_wide import WideArrow, WideCsv, WideJson, WideNdjson, WideParquet
from api.answers.delivery import Delivery
from api.answers.encoder import Encoder
from api.answers.media import Format, Medium
from api.answers.tally import Tally, Tell
from api.ear import Ear
from fieldlab.ownership.access import Checkpoint, EndKind
from fieldlab.storage.newest import Newest
from fieldlab.storage.selection import Answer, Layout

_WHOLE: Final = 4096
"""Rows that are written at once: fewer than keep the service busy for a moment that anybody notices."""


def respond(
    answer: Answer,
    medium: Medium,
    *,
    tell: Tell,
    ear: Ear,
    checkpoint: Checkpoint,
    next_cursor: str | None,
    next_: str | None,
    decision: str,
    layout: Layout = Layout.LONG,
) -> Response:
    """Write an answer in a medium; `next_` and `decision` are addresses of the next page and of the segments alone.

    `tell` hears how many rows of each segment had left, and why it ended; `ear` hears that rights have changed;
    `checkpoint` is the ledger's newest one.
    """
    answer = replace(answer, checkpoint=checkpoint)
    headers = _headers(medium, decision, next_)
    encode = encoder_of if layout is Layout.LONG else wide_encoder_of
    encoder = encode(answer, medium, next_cursor)
    if answer.rest is None and len(answer.rows) <= _WHOLE:
        body = encoder.begin() + encoder.rows(answer.rows) + encoder.end(None)
        tally = Tally(answer, tell)
        tally.add(answer.rows)
        tally.end(EndKind.ANSWERED)
        return Response(body, headers=headers, media_type=medium.content_type)
    return Delivery(answer, encoder, Tally(answer, tell), ear, headers=headers, media_type=medium.content_type)


def respond_newest(
    newest: Newest, medium: Medium, *, tell: Tell, ear: Ear, checkpoint: Checkpoint, decision: str
) -> Response:
    """Write an answer of a sample a segment in a medium, as `respond` does; as JSON at once if nothing is to tell."""
    if newest.access is not None or medium.format is not Format.JSON:
        return respond(
            newest.answer(),
            medium,
            tell=tell,
            ear=ear,
            checkpoint=checkpoint,
            next_cursor=None,
            next_=None,
            decision=decision,
        )
    body = write_newest(replace(newest, checkpoint=checkpoint))
    return Response(body, headers=_headers(medium, decision, None), media_type=medium.content_type)


def _headers(medium: Medium, decision: str, next_: str | None) -> dict[str, str]:
    headers = {"Link": f'<{decision}>; rel="describedby"; type="application/json"', "Vary": "Accept, Accept-Encoding"}
    if next_ is not None:
        headers["Link"] += f', <{next_}>; rel="next"'
    if medium.format is not Format.JSON:
        headers["Content-Disposition"] = f'attachment; filename="measurements.{medium.said}"'
    return headers


def encoder_of(answer: Answer, medium: Medium, next_cursor: str | None) -> Encoder:
    """Make what writes an answer in a medium."""
    match medium.format:
        case Format.JSON:
            return JsonEncoder(answer, next_cursor)
        case Format.NDJSON:
            return NdjsonEncoder(answer, next_cursor)
        case Format.CSV:
            return CsvEncoder(answer, comments=medium.comments)
        case Format.ARROW:
            return ArrowEncoder(answer)
        case Format.PARQUET:
            return ParquetEncoder(answer)


def wide_encoder_of(answer: Answer, medium: Medium, next_cursor: str | None) -> Encoder:
    """Make what writes an answer in a medium on one time axis."""
    match medium.format:
        case Format.JSON:
            return WideJson(answer, next_cursor)
        case Format.NDJSON:
            return WideNdjson(answer, next_cursor)
        case Format.CSV:
            return WideCsv(answer, comments=medium.comments)
        case Format.ARROW:
            return WideArrow(answer)
        case Format.PARQUET:
            return WideParquet(answer)
