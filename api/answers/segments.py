"""What every answer carries, whatever its format: the streams, and the segments with their owners and terms."""

from typing import Any

from fieldlab.assets.asset import Stream
from fieldlab.ownership.segment import Segment
from fieldlab.storage.selection import Answer

Document = dict[str, Any]
"""A JSON object on its way out; see `api.models.answer` for what stands in it."""


def head(answer: Answer) -> Document:
    """Give what stands before the rows: the moment of the decision, the streams and the segments."""
    ids = {stream.key: str(stream.id) for stream in answer.streams}
    return {
        "decided_at": str(answer.decided_at),
        "streams": [_stream(stream) for stream in answer.streams],
        "segments": [segment_document(segment, ids[segment.stream]) for segment in answer.segments],
    }


def segment_document(segment: Segment, stream: str) -> Document:
    """Write one segment; licence and shape stay empty for data that is the reader's own."""
    return {
        "segment": segment.number,
        "stream": stream,
        "from": str(segment.interval.start),
        "until": str(segment.interval.until),
        "owner": segment.owner,
        "trial": segment.trial,
        "basis": {"kind": segment.basis.kind.value},
        "licence": None,
        "shape": {},
        "origins": [origin.name.lower() for origin in segment.origins],
        "gaps": [
            {"from": str(gap.interval.start), "until": str(gap.interval.until), "cause": gap.cause.value}
            for gap in segment.gaps
        ],
    }


def _stream(stream: Stream) -> Document:
    return {
        "id": str(stream.id),
        "asset": stream.asset,
        "name": stream.name,
        "unit": stream.unit,
        "nature": stream.nature.value,
    }
