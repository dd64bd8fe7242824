"""Tenures, hand-overs and returns, as answers show them and callers send them."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.field import Moment, OpenMoment, SlugText, Words
from fieldlab.assets.name import SLUG, STREAM_NAME
from fieldlab.ownership import tenure as tenures
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import FOREVER
from fieldlab.storage.amendment import Part
from fieldlab.storage.tenure_events import TenureEvent as Event
from fieldlab.storage.tenures import StreamTenure


class Tenure(BaseModel):
    """Who owns what a stream produces in `[from, until)`."""

    asset: Annotated[str, Field(examples=["mill-1"])]
    stream: Annotated[str, Field(description="The stream's name within its asset.", examples=["spindle_current"])]
    owner: Annotated[str, Field(examples=["sme-a"])]
    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    trial: Annotated[str | None, Field(examples=["tool-wear-2026"])]
    booked: Annotated[bool, Field(description="False for the home owner's time, which nobody has booked.")]

    @classmethod
    def of(cls, entry: StreamTenure) -> Self:
        """Show a tenure."""
        return cls.model_validate(
            {
                "asset": entry.asset,
                "stream": entry.stream,
                "owner": entry.tenure.owner,
                "from": entry.tenure.interval.start,
                "until": entry.tenure.interval.until,
                "trial": entry.tenure.trial,
                "booked": entry.tenure.booked,
            }
        )


class Timelines(BaseModel):
    """The tenures of all streams of an asset, after a change."""

    items: list[Tenure]


Names = Annotated[
    list[Words],
    Field(max_length=1000, description="Names of single streams of the asset; all of them without it."),
]


class HandOver(BaseModel):
    """Giving an asset to a participant for a time; bounds fall on whole minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[SlugText, Field(description="The participant who gets it.", examples=["sme-b"])]
    from_: Annotated[Moment, Field(alias="from", description="Its first moment.")]
    until: Annotated[Moment | None, Field(description="The first moment after it; open without it.")] = None
    trial: Annotated[
        SlugText | None, Field(description="The named use case; made if it is new.", examples=["tool-wear-2026"])
    ] = None
    streams: Names = []

    def booking(self) -> tenures.Tenure:
        """Give the booking to enter; raises InvalidInterval for reversed bounds."""
        until = FOREVER if self.until is None else self.until
        return tenures.Tenure(
            owner=self.to, interval=Interval(start=self.from_, until=until), booked=True, trial=self.trial
        )


class Return(BaseModel):
    """Ending a booking early; the rest of its time is the home owner's again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[Moment, Field(description="The first moment that is the home owner's again; a whole minute.")]
    streams: Names = []


class Extension(BaseModel):
    """Letting a booking last longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[Moment, Field(description="A moment in the booking.")]
    until: Annotated[Moment, Field(description="The first moment after it, later than now; a whole minute.")]
    streams: Names = []


class Correction(BaseModel):
    """Putting a booking right that was entered wrongly; without `to` it was never made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[Moment, Field(description="A moment in the wrong booking.")]
    to: Annotated[SlugText | None, Field(description="Who had it in truth; nobody without it.")] = None
    from_: Annotated[Moment | None, Field(alias="from", description="With `to`: its first moment in truth.")] = None
    until: Annotated[Moment | None, Field(description="The first moment after it; open without it.")] = None
    trial: Annotated[SlugText | None, Field(description="The named use case; made if it is new.")] = None
    reason: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
    streams: Names = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.to is None) != (self.from_ is None):
            raise PydanticCustomError("invalid-input", "Give to and from for another booking, or neither for none.")
        if self.to is None and (self.until is not None or self.trial is not None):
            raise PydanticCustomError("invalid-input", "until and trial belong to a booking; give to and from as well.")
        return self

    def right(self) -> tenures.Tenure | None:
        """Give the booking as it was in truth; raises InvalidInterval for reversed bounds."""
        if self.to is None or self.from_ is None:
            return None
        interval = Interval(start=self.from_, until=FOREVER if self.until is None else self.until)
        return tenures.Tenure(owner=self.to, interval=interval, booked=True, trial=self.trial)


Reference = Annotated[str, StringConstraints(pattern=rf"^{SLUG}\.{STREAM_NAME}$")]


class TrialBooking(BaseModel):
    """Giving a participant assets, or single streams, for the time of a trial; bounds fall on whole minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: Annotated[
        SlugText,
        Field(description="The trial; made if it is new, else one of the same participant.", examples=["joining-2031"]),
    ]
    participant: Annotated[SlugText, Field(description="Whose trial it is.", examples=["sme-b"])]
    assets: Annotated[list[SlugText], Field(max_length=100, description="Assets with all their streams.")] = []
    streams: Annotated[
        list[Reference], Field(max_length=1000, description="Single streams, such as `mill-1.spindle_current`.")
    ] = []
    from_: Annotated[Moment, Field(alias="from", description="Its first moment.")]
    until: Annotated[Moment, Field(description="The first moment after it.")]

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.assets and not self.streams:
            raise PydanticCustomError("invalid-input", "Give assets or streams, or both: what the trial takes.")
        return self

    def parts(self) -> list[Part]:
        """Give what it takes, each asset once: all streams of those named whole, the named ones of the others."""
        named: dict[str, set[str]] = {asset: set() for asset in self.assets}
        for reference in self.streams:
            asset, _, stream = reference.partition(".")
            if asset not in self.assets:
                named.setdefault(asset, set()).add(stream)
        return [Part(asset=asset, streams=frozenset(streams)) for asset, streams in sorted(named.items())]

    def booking(self) -> tenures.Tenure:
        """Give the booking to enter; raises InvalidInterval for reversed bounds."""
        interval = Interval(start=self.from_, until=self.until)
        return tenures.Tenure(owner=self.participant, interval=interval, booked=True, trial=self.slug)


class TrialExtension(BaseModel):
    """Letting a trial last longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: Annotated[Moment, Field(description="The first moment after it, later than now; a whole minute.")]


class TrialReturn(BaseModel):
    """Ending a trial early; the rest of its time is the home owners' again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[Moment, Field(description="The first moment that is the home owners' again; a whole minute.")]


class TrialBookings(BaseModel):
    """What a trial has booked, after a change."""

    slug: Annotated[str, Field(examples=["joining-2031"])]
    items: list[Tenure]

    @classmethod
    def of(cls, slug: str, changed: Iterable[StreamTenure]) -> Self:
        """Show the bookings of the trial among the tenures of its streams."""
        return cls(slug=slug, items=[Tenure.of(entry) for entry in changed if entry.tenure.trial == slug])


class TenureEvent(BaseModel):
    """A change of an asset's tenures; it cannot be edited."""

    at: OpenMoment
    kind: Annotated[str, Field(examples=["hand_over"])]
    principal: Annotated[str | None, Field(description="Who entered it; null unless you administer the lab.")]
    reason: Annotated[str | None, Field(description="Why, of a correction; null unless you administer the lab.")]
    removed: list[Tenure]
    added: list[Tenure]

    @classmethod
    def of(cls, event: Event) -> Self:
        """Show an event."""
        return cls(
            at=event.at,
            kind=event.kind,
            principal=event.principal,
            reason=event.reason,
            removed=[Tenure.of(one) for one in event.removed],
            added=[Tenure.of(one) for one in event.added],
        )
