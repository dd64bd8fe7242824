"""Discoveries, as answers show them."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.field import OpenMoment
from fieldlab.assets.asset import Kind
from fieldlab.storage import discoveries


class Discovery(BaseModel):
    """An address that sends values, and that no stream is bound to."""

    source: Annotated[str, Field(examples=["shop-floor"])]
    address: Annotated[str, Field(description="Where the source finds it.", examples=["lab/mill-1/telemetry#power"])]
    kind: Annotated[Kind, Field(description="What its latest value is.")]
    unit: Annotated[str | None, Field(description="What its source tells: a UCUM code where it is known.")]
    quantity: Annotated[str | None, Field(description="What is measured: as its source tells, else by its unit.")]
    description: Annotated[str | None, Field(description="What its source says of it.")]
    semantic_id: Annotated[str | None, Field(description="An IRI or IRDI by which its source says what it is.")]
    low: Annotated[float | None, Field(description="The least that its sensor can show, in the unit.")]
    high: Annotated[float | None, Field(description="The most that its sensor can show, in the unit.")]
    value: Annotated[float | str | None, Field(description="The latest one; null for what was only announced.")]
    samples: Annotated[int, Field(description="How many were seen.")]
    per_second: Annotated[float | None, Field(description="How often; null until it was seen at two times.")]
    first_seen: OpenMoment
    last_seen: OpenMoment

    @classmethod
    def of(cls, found: discoveries.Discovery) -> Self:
        """Show a discovery."""
        return cls(
            source=found.source,
            address=found.address,
            kind=found.kind,
            unit=found.unit,
            quantity=found.quantity,
            description=found.description,
            semantic_id=found.semantic_id,
            low=found.low,
            high=found.high,
            value=found.value,
            samples=found.samples,
            per_second=found.per_second,
            first_seen=found.first_seen,
            last_seen=found.last_seen,
        )
