"""Broken glass and erasures, as callers ask for them and answers show them."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.field import Duration, Moment, OpenMoment, Words
from fieldlab.ownership import custody
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import FOREVER, NEVER

_STRICT = ConfigDict(extra="forbid", frozen=True)
Streams = Annotated[
    list[Words],
    Field(
        min_length=1,
        max_length=1000,
        description="References of streams, or slugs of whole machines.",
        examples=[["mill-1.spindle_current"]],
    ),
]
Reason = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class GlassToBreak(BaseModel):
    """An emergency: what the operator must see of others' data, and why."""

    model_config = _STRICT

    streams: Streams
    from_: Annotated[Moment | None, Field(alias="from", description="When it was measured; open without it.")] = None
    until: Annotated[Moment | None, Field(description="The first moment after it; open without it.")] = None
    reason: Annotated[Reason, Field(description="Ten letters or more. Whose data it is reads it.")]
    lasting: Annotated[Duration, Field(description="How long it stays open: an hour at most.")] = custody.LONGEST

    def data(self) -> Interval:
        """Give what is to be opened; raises InvalidInterval for reversed bounds."""
        return Interval(
            start=NEVER if self.from_ is None else self.from_, until=FOREVER if self.until is None else self.until
        )


class BrokenGlass(BaseModel):
    """The operator's access to others' data in an emergency. Read under it with `basis` and its id."""

    id: UUID
    participant: Annotated[str, Field(description="Who broke it.", examples=["lab"])]
    principal: str
    reason: str
    opened_at: OpenMoment
    closes_at: OpenMoment
    streams: list[str]
    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment

    @classmethod
    def of(cls, glass: custody.BrokenGlass) -> Self:
        """Show it."""
        return cls.model_validate(
            {
                "id": glass.id,
                "participant": glass.participant,
                "principal": glass.principal,
                "reason": glass.reason,
                "opened_at": glass.opened_at,
                "closes_at": glass.closes_at,
                "streams": [*glass.streams],
                "from": glass.data.start,
                "until": glass.data.until,
            }
        )


class ToErase(BaseModel):
    """A stretch of your own data that is to be deleted for good; bounds fall on whole minutes."""

    model_config = _STRICT

    streams: Streams
    from_: Annotated[Moment, Field(alias="from")]
    until: Moment
    reason: Reason = ""

    def data(self) -> Interval:
        """Give the stretch; raises InvalidInterval for reversed bounds."""
        return Interval(start=self.from_, until=self.until)


class Erasure(BaseModel):
    """The record of what was erased; it has none of the values."""

    id: UUID
    at: OpenMoment
    principal: str
    reason: str
    streams: list[str]
    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    samples: Annotated[int, Field(description="Samples that were deleted.")]
    rejects: Annotated[int, Field(description="Inputs that were held back and deleted with their bytes.")]
    exports: Annotated[int, Field(description="Stored exports that held any of it and were withdrawn.")]

    @classmethod
    def of(cls, erased: custody.Erasure) -> Self:
        """Show a record."""
        return cls.model_validate(
            {
                "id": erased.id,
                "at": erased.at,
                "principal": erased.principal,
                "reason": erased.reason,
                "streams": [*erased.streams],
                "from": erased.data.start,
                "until": erased.data.until,
                "samples": erased.samples,
                "rejects": erased.rejects,
                "exports": erased.exports,
            }
        )
