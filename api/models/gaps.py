"""What is known to be missing, as it is asked for and answered."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from api.answers.segments import basis_document
from api.cursor import Cursors
from api.field import Duration, Moment, OpenMoment, SlugText
from api.models.answer import SegmentBasis
from api.models.query import StreamsQuery
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import FOREVER, NEVER, Instant
from fieldlab.storage.gaps import GapPage, GapPlace, Missing
from fieldlab.storage.selection import Last

_BESIDE_THE_QUESTION = {"limit", "cursor", "format"}


class GapsQuery(StreamsQuery):
    """Which streams over which time, and which page of it."""

    trial: Annotated[
        SlugText | None, Field(description="The streams of this trial, while they were in it; instead of `stream`.")
    ] = None
    from_: Annotated[
        Moment | None, Field(alias="from", description="The first moment, with an offset; open without it.")
    ] = None
    until: Annotated[Moment | None, Field(description="The first moment after; open without it.")] = None
    last: Annotated[
        Duration | None,
        Field(description="The time before now, such as `1d`, instead of `from` and `until`; now is the database's."),
    ] = None
    format: Annotated[Literal["json"] | None, Field(description="`json`; there is no other.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Items a page, at most.")] = 100
    cursor: Annotated[
        str | None, Field(max_length=2000, description="`next` of the page before, with the same other parameters.")
    ] = None

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.last is not None and (self.from_ is not None or self.until is not None):
            raise PydanticCustomError("invalid-interval", "Give either last, or from and until.")
        return self

    def _of_trial(self) -> str | None:
        return self.trial

    def interval(self) -> Interval | Last:
        """Give the time asked for; raises InvalidInterval for reversed bounds."""
        if self.last is not None:
            return Last(duration=self.last)
        start, until = self.from_, self.until
        return Interval(start=NEVER if start is None else start, until=FOREVER if until is None else until)

    def begins(self, scope: ReadScope, cursors: Cursors) -> tuple[GapPlace | None, Interval | Last]:
        """Give after which hole the page begins, and the time; raises InvalidCursor for a cursor of another query."""
        if self.cursor is None:
            return None, self.interval()
        match cursors.open(scope, self._question(), self.cursor):
            case [str(stream), int(start), int(until), str(cause), int(first), int(last)]:
                place = GapPlace(stream=UUID(stream), start=Instant(start), until=Instant(until), cause=cause)
                return place, Interval(start=Instant(first), until=Instant(last))
        raise InvalidCursor("This cursor was made by another version; ask again without it to start over.")

    def next(self, scope: ReadScope, cursors: Cursors, page: GapPage) -> str | None:
        """Give the cursor of the page after this one."""
        if not page.more:
            return None
        place, bounds = page.items[-1].place, page.interval
        at: list[str | int] = [str(place.stream), int(place.start), int(place.until), place.cause]
        return cursors.seal(scope, self._question(), [*at, int(bounds.start), int(bounds.until)])

    def _question(self) -> dict[str, Any]:
        return {"route": "gaps", **self.model_dump(mode="json", by_alias=True, exclude=_BESIDE_THE_QUESTION)}


class MissingStretch(BaseModel):
    """A known hole in one stream, within a stretch that you may see: whose that is, and on what basis you see it."""

    stream: UUID
    asset: Annotated[str, Field(examples=["mill-1"])]
    name: Annotated[str, Field(examples=["spindle_current"])]
    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    cause: Cause
    owner: Annotated[str, Field(examples=["sme-a"])]
    trial: Annotated[str | None, Field(examples=["tool-wear-2026"])]
    basis: SegmentBasis
    licence: Annotated[str | None, Field(description="An SPDX expression, where an agreement declares one.")]

    @classmethod
    def of(cls, missing: Missing) -> Self:
        """Show a hole."""
        stream, segment, gap = missing.stream, missing.segment, missing.gap
        return cls.model_validate(
            {
                "stream": stream.id,
                "asset": stream.asset,
                "name": stream.name,
                "from": gap.interval.start,
                "until": gap.interval.until,
                "cause": gap.cause,
                "owner": segment.owner,
                "trial": segment.trial,
                "basis": basis_document(segment.basis),
                "licence": segment.basis.licence,
            }
        )


class Gaps(BaseModel):
    """A page of what is known to be missing, by stream as asked and then by time."""

    decided_at: Annotated[OpenMoment, Field(description="The database's clock when it was decided.")]
    items: list[MissingStretch]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]
