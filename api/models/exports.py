"""Exports, as they are asked for and shown."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.field import Duration, Moment, OpenMoment, SlugText, StepText, TimeZone, Words
from api.models.query import each_once, listed, split
from fieldlab.errors import InvalidInput
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.export import Export as Kept
from fieldlab.ownership.export import ExportState
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.terms import DataFormat
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Step
from fieldlab.readings.duration import parse_step
from fieldlab.readings.instant import FOREVER, NEVER
from fieldlab.storage.selection import Last, StatusFilter


class ExportRequest(BaseModel):
    """What an export is to hold: the streams of a trial, of an asset, those named, or everything that is yours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trial: Annotated[
        SlugText | None, Field(description="All that you may have of a trial.", examples=["tool-wear"])
    ] = None
    asset: Annotated[SlugText | None, Field(description="All streams of an asset of which you may have something.")] = (
        None
    )
    stream: Annotated[
        list[Words], BeforeValidator(listed), Field(max_length=1000, description="Ids or references of streams.")
    ] = []
    everything: Annotated[
        Literal[True] | None,
        Field(description="All that is your own, with your agreements and bookings: what you take when you leave."),
    ] = None
    from_: Annotated[
        Moment | None, Field(alias="from", description="The first moment, with an offset; open without it.")
    ] = None
    until: Annotated[Moment | None, Field(description="The first moment after; now without it.")] = None
    last: Annotated[
        Duration | None, Field(description="The time before the job begins, instead of `from` and `until`.")
    ] = None
    step: Annotated[
        StepText | None, Field(description="Buckets of this length, as in a query; raw without it.", examples=["1m"])
    ] = None
    time_zone: Annotated[
        TimeZone | None, Field(description="Whose midnights bound the days, weeks and months of `step`.")
    ] = None
    aggregate: Annotated[
        list[Aggregate],
        BeforeValidator(split),
        AfterValidator(each_once),
        Field(description="With `step`: what to compute over each bucket; `mean` without it."),
    ] = []
    status: Annotated[StatusFilter, Field(description="`good` leaves out samples of any other status.")] = (
        StatusFilter.ALL
    )
    basis: Annotated[
        UUID | None, Field(description="The agreement under which to read what is not your own, where several fit.")
    ] = None
    purpose: Annotated[Words | None, Field(description="What for, where an agreement asks.")] = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if sum((self.trial is not None, self.asset is not None, bool(self.stream), self.everything is True)) != 1:
            raise PydanticCustomError("invalid-input", "Give one of trial, asset, stream and everything.")
        if self.last is not None and (self.from_ is not None or self.until is not None):
            raise PydanticCustomError("invalid-interval", "Give either last, or from and until.")
        if self.aggregate and self.step is None:
            raise PydanticCustomError("invalid-input", "aggregate needs a step, such as step=1m.")
        if self.everything and (self.step is not None or self.status is not StatusFilter.ALL):
            raise PydanticCustomError("invalid-input", "everything takes neither step nor status: nothing is left out.")
        if self.time_zone is not None and self.step is None:
            raise PydanticCustomError("invalid-input", "time_zone needs a step of the calendar, such as step=1d.")
        try:
            self.length()
        except InvalidInput as error:
            raise PydanticCustomError("invalid-input", "{reason}", {"reason": str(error)}) from None
        return self

    def length(self) -> Step | None:
        """Give the length of the buckets; None for samples."""
        return None if self.step is None else parse_step(self.step, self.time_zone)

    def interval(self) -> Interval | Last:
        """Give the time asked for; raises InvalidInterval for reversed bounds."""
        if self.last is not None:
            return Last(duration=self.last)
        return Interval(
            start=NEVER if self.from_ is None else self.from_, until=FOREVER if self.until is None else self.until
        )

    def ask(self) -> Ask:
        """Give on what ground and for what is asked."""
        return Ask(basis=self.basis, purpose=self.purpose, format=DataFormat.PARQUET)

    def document(self) -> dict[str, Any]:
        """Give what was said, as JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Export(BaseModel):
    """An export: how far it is, and where its package is once it is ready."""

    id: UUID
    state: ExportState
    question: Annotated[ExportRequest, Field(description="What was asked for.")]
    requested_at: OpenMoment
    expires_at: Annotated[OpenMoment, Field(description="It is deleted then.")]
    finished_at: OpenMoment | None
    progress: Annotated[float, Field(ge=0, le=1, description="How much of it is done, from 0 to 1.")]
    rows: Annotated[int, Field(description="Rows written so far.")]
    detail: Annotated[str, Field(description="Why there is no package, where there will be none.")]
    size: Annotated[int | None, Field(description="Bytes of the package.")]
    sha256: Annotated[str | None, Field(description="Of the package, in hexadecimal; it is its ETag too.")]
    package: Annotated[
        str | None, Field(description="Where the package is, once it is ready.", examples=["/v1/exports/…/package"])
    ]

    @classmethod
    def of(cls, export: Kept) -> Self:
        """Show an export."""
        return cls(
            id=export.id,
            state=export.state,
            question=ExportRequest.model_validate_json(export.question),
            requested_at=export.requested_at,
            expires_at=export.expires_at,
            finished_at=export.finished_at,
            progress=export.progress,
            rows=export.rows,
            detail=export.detail,
            size=export.size,
            sha256=export.sha256,
            package=f"/v1/exports/{export.id}/package" if export.state is ExportState.READY else None,
        )
