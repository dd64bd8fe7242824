"""What every answer carries, whatever its format: the streams, and the segments with their owners and terms."""

from typing import Any

from fieldlab.assets.asset import Stream
from fieldlab.ownership.access import Checkpoint
from fieldlab.ownership.segment import Basis, Segment, Shape
from fieldlab.readings.duration import format_duration
from fieldlab.storage.newest import Newest
from fieldlab.storage.selection import Answer

Document = dict[str, Any]
"""A JSON object on its way out; see `api.models.answer` for what stands in it."""


def head(answer: Answer | Newest) -> Document:
    """Give what stands before the rows: the moment of the decision, the streams, the segments and a checkpoint."""
    ids = {stream.key: str(stream.id) for stream in answer.streams}
    return {
        "decided_at": str(answer.decided_at),
        "streams": [stream_document(stream) for stream in answer.streams],
        "segments": [segment_document(segment, ids[segment.stream]) for segment in answer.segments],
        "checkpoint": checkpoint_document(answer.checkpoint),
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
        "basis": basis_document(segment.basis),
        "licence": segment.basis.licence,
        "shape": shape_document(segment.basis.shape),
        "origins": segment.origins and [origin.name.lower() for origin in segment.origins],
        "gaps": [
            {"from": str(gap.interval.start), "until": str(gap.interval.until), "cause": gap.cause.value}
            for gap in segment.gaps
        ],
    }


def checkpoint_document(checkpoint: Checkpoint) -> Document:
    """Write a checkpoint of the access ledger."""
    return {"size": checkpoint.size, "root": checkpoint.root}


def basis_document(basis: Basis) -> Document:
    """Write why something may be seen."""
    if basis.agreement is None:
        return {"kind": basis.kind.value}
    return {"kind": basis.kind.value, "agreement": str(basis.agreement), "hash": basis.hash}


def shape_document(shape: Shape) -> Document:
    """Write what an agreement does to data; empty where it does nothing."""
    written: Document = {}
    if shape.resolution_floor is not None:
        written["resolution_floor"] = format_duration(shape.resolution_floor)
        written["minimum_samples"] = shape.minimum_samples
        written["aggregates"] = [aggregate.value for aggregate in shape.aggregates or ()]
    if shape.embargo:
        written["embargo"] = format_duration(shape.embargo)
    return written


def stream_document(stream: Stream) -> Document:
    """Write one stream."""
    return {
        "id": str(stream.id),
        "asset": stream.asset,
        "name": stream.name,
        "unit": stream.unit,
        "nature": stream.nature.value,
    }
