"""Trials, as answers show them."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.field import OpenMoment
from api.models.gaps import Gaps
from fieldlab.ownership import trial as ownership


class Trial(BaseModel):
    """A trial of which you may have something."""

    slug: Annotated[str, Field(examples=["tool-wear-2026"])]
    owner: Annotated[str, Field(description="Whose trial and data it is.", examples=["sme-a"])]
    from_: Annotated[OpenMoment, Field(alias="from", description="The first moment of what you may have.")]
    until: Annotated[OpenMoment, Field(description="The first moment after the last.")]
    assets: list[str]
    streams: Annotated[list[str], Field(description="References of the streams of which you may have something.")]
    licences: Annotated[list[str], Field(description="What agreements declare; empty for your own.")]
    purposes: Annotated[list[str], Field(description="State one of these with `purpose`, where there are any.")]

    @classmethod
    def of(cls, trial: ownership.Trial) -> Self:
        """Show a trial."""
        return cls.model_validate(_document(trial))


class TrialWithGaps(Trial):
    """A trial, and what is known to be missing in what you may have of it."""

    gaps: Annotated[
        Gaps | None,
        Field(
            description="The first page; `next` is a cursor of `/v1/gaps?trial=…`, with the same `purpose`. Null where "
            "one of `purposes` must be stated first."
        ),
    ]

    @classmethod
    def of_gaps(cls, trial: ownership.Trial, gaps: Gaps | None) -> Self:
        """Show a trial with its gaps."""
        return cls.model_validate({**_document(trial), "gaps": gaps})


def _document(trial: ownership.Trial) -> dict[str, object]:
    return {
        "slug": trial.slug,
        "owner": trial.owner,
        "from": trial.interval.start,
        "until": trial.interval.until,
        "assets": [*trial.assets],
        "streams": [*trial.streams],
        "licences": [*trial.licences],
        "purposes": [*trial.purposes],
    }
