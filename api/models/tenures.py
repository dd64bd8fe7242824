"""Tenures, hand-overs and returns, as answers show them and callers send them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from api.field import Moment, OpenMoment, SlugText
from fieldlab.ownership import tenure as tenures
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import FOREVER
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


class HandOver(BaseModel):
    """Giving an asset to a participant for a time; bounds fall on whole minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[SlugText, Field(description="The participant who gets it.", examples=["sme-b"])]
    from_: Annotated[Moment, Field(alias="from", description="Its first moment.")]
    until: Annotated[Moment | None, Field(description="The first moment after it; open without it.")] = None
    trial: Annotated[
        SlugText | None, Field(description="The named use case; made if it is new.", examples=["tool-wear-2026"])
    ] = None

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
