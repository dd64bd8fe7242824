"""An entry of the catalogue, as answers show it."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.answers.segments import basis_document, shape_document
from api.field import OpenMoment
from api.models.answer import SegmentBasis, Shape
from api.models.catalogue import Stream
from fieldlab.ownership import entry as ownership


class Coverage(BaseModel):
    """A stretch of a stream that you may have from one owner, on one basis."""

    from_: Annotated[OpenMoment, Field(alias="from")]
    until: OpenMoment
    owner: Annotated[str, Field(examples=["sme-a"])]
    trial: Annotated[str | None, Field(examples=["tool-wear-2026"])]
    basis: SegmentBasis
    licence: Annotated[str | None, Field(description="An SPDX expression, where an agreement declares one.")]
    purposes: Annotated[list[str], Field(description="State one of these with `purpose`, where there are any.")]
    shape: Shape

    @classmethod
    def of(cls, coverage: ownership.Coverage) -> Self:
        """Show a stretch."""
        return cls.model_validate(
            {
                "from": coverage.interval.start,
                "until": coverage.interval.until,
                "owner": coverage.owner,
                "trial": coverage.trial,
                "basis": basis_document(coverage.basis),
                "licence": coverage.basis.licence,
                "purposes": [*coverage.purposes],
                "shape": shape_document(coverage.basis.shape),
            }
        )


class Entry(Stream):
    """A stream of which you may have something, and what."""

    asset_name: Annotated[str, Field(description="The asset's name for people.")]
    coverage: Annotated[
        list[Coverage],
        Field(description="The stretches that you may have; whatever others own of the stream is not among them."),
    ]

    @classmethod
    def of_entry(cls, entry: ownership.Entry) -> Self:
        """Show an entry."""
        return cls(
            **dict(Stream.of(entry.stream)),
            asset_name=entry.asset_name,
            coverage=[Coverage.of(coverage) for coverage in entry.coverage],
        )
