"""An answer with measurements, as its JSON looks; written by `api.answers.as_json`, not by pydantic."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.field import Duration, OpenMoment
from api.models.accesses import Checkpoint
from fieldlab.assets.asset import Nature
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.gap import Cause

Cell = str | float | int | bool | None

_KEEP: Final = "The newest checkpoint of the access ledger; keep one, and whoever changes earlier entries is found out."


class AnsweredStream(BaseModel):
    """A stream that was asked for."""

    id: UUID
    asset: Annotated[str, Field(examples=["mill-1"])]
    name: Annotated[str, Field(examples=["spindle_current"])]
    unit: Annotated[str, Field(description="UCUM code.", examples=["A"])]
    nature: Nature


class SegmentBasis(BaseModel):
    """Why you may see a segment: it is your own, or an agreement permits it."""

    kind: BasisKind
    agreement: UUID | None = None
    hash: Annotated[str | None, Field(description="The SHA-256 of the agreement's text.")] = None


class Gap(BaseModel):
    """A known hole in the data, and what made it."""

    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    cause: Cause


class Shape(BaseModel):
    """What was done to the data before you got it: nothing, while it is your own."""

    resolution_floor: Annotated[
        Duration | None, Field(description="Whole buckets of this length alone, and of whole multiples.")
    ] = None
    minimum_samples: Annotated[int | None, Field(description="Buckets with fewer samples are absent.")] = None
    aggregates: Annotated[list[Aggregate] | None, Field(description="The others are null.")] = None
    embargo: Annotated[Duration | None, Field(description="What is younger than this is absent.")] = None


class Segment(BaseModel):
    """A stretch of one stream with one owner; each row carries the number of its segment."""

    segment: int
    stream: UUID
    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    owner: Annotated[str, Field(examples=["sme-a"])]
    trial: Annotated[str | None, Field(examples=["tool-wear-2026"])]
    basis: SegmentBasis
    licence: Annotated[str | None, Field(description="An SPDX expression, where an agreement declares one.")]
    shape: Shape
    origins: Annotated[
        list[Literal["live", "history", "replay", "simulated", "imported"]] | None,
        Field(description="How the samples in this answer came to be; null where a long answer tells it at its end."),
    ]
    gaps: list[Gap]


class Decision(BaseModel):
    """The decision alone: which stretches of the streams you may see, whose they are, and on what basis."""

    decided_at: Annotated[OpenMoment, Field(description="The database's clock when it was decided.")]
    streams: list[AnsweredStream]
    segments: list[Segment]
    checkpoint: Annotated[Checkpoint, Field(description=_KEEP)]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]


class Measurements(BaseModel):
    """One page of measurements: the segments first, then rows in the order of `columns`."""

    decided_at: Annotated[OpenMoment, Field(description="The database's clock when it was decided.")]
    streams: list[AnsweredStream]
    segments: list[Segment]
    checkpoint: Annotated[Checkpoint, Field(description=_KEEP)]
    columns: Annotated[
        list[str],
        Field(
            description="`time, stream, value, status, segment`; with `step`, one column an aggregate instead of "
            "value and status, and `partial` for a bucket that a hand-over or an end of the range cuts.",
            examples=[["time", "stream", "value", "status", "segment"]],
        ),
    ]
    rows: Annotated[
        list[list[Cell]],
        Field(
            description="By stream as asked, then by time. `status` is the upper half of the OPC UA StatusCode, "
            "0 is good. What JSON cannot write (NaN, infinity) is null."
        ),
    ]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]
