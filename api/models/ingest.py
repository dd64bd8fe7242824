"""Accounts and rejects, as answers show them."""

from base64 import b64encode
from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.field import OpenMoment
from fieldlab.readings.reject import Reason
from fieldlab.storage import ingest


class Account(BaseModel):
    """Samples of one source and stream on one day: received = stored + duplicates + rejected + waiting."""

    day: Annotated[date, Field(description="In UTC: of measuring for what is stored or a duplicate, else of receipt.")]
    source: Annotated[str | None, Field(description="Null for a source that is gone.", examples=["shop-floor"])]
    asset: Annotated[str | None, Field(description="Null for what waits, or belongs to no stream.")]
    stream: Annotated[str | None, Field(description="The stream's name within its asset.")]
    received: int
    stored: Annotated[int, Field(description="Committed, once.")]
    duplicates: Annotated[int, Field(description="Came again with the same value.")]
    rejected: Annotated[int, Field(description="Kept with the reason: see /v1/rejects.")]
    waiting: Annotated[int, Field(description="Safe on a gateway's disk, not committed yet.")]
    oldest_waiting: Annotated[OpenMoment | None, Field(description="When the oldest of these arrived.")]

    @classmethod
    def of(cls, account: ingest.Account) -> Self:
        """Show an account."""
        return cls(
            day=account.day,
            source=account.source,
            asset=account.asset,
            stream=account.stream,
            received=account.received,
            stored=account.stored,
            duplicates=account.duplicates,
            rejected=account.rejected,
            waiting=account.waiting,
            oldest_waiting=account.oldest_waiting,
        )


class Reject(BaseModel):
    """Inputs of one address that were refused together, for one reason."""

    id: int
    source: str
    address: str | None
    asset: str | None
    stream: str | None
    reason: Reason
    detail: Annotated[str, Field(description="What was wrong, where, and what to do.")]
    samples: Annotated[int, Field(description="How many.")]
    received_at: OpenMoment
    time: Annotated[OpenMoment | None, Field(description="The first sample's own time, where it could be read.")]
    raw: Annotated[str | None, Field(description="What arrived, if it is text and yours.")]
    raw_base64: Annotated[str | None, Field(description="What arrived, if it is not text and yours.")]
    released_at: Annotated[OpenMoment | None, Field(description="When its samples were stored after all.")]

    @classmethod
    def of(cls, reject: ingest.KeptReject) -> Self:
        """Show a reject."""
        words = _text(reject.raw)
        return cls(
            id=reject.id,
            source=reject.source,
            address=reject.address,
            asset=reject.asset,
            stream=reject.stream,
            reason=reject.reason,
            detail=reject.detail,
            samples=reject.samples,
            received_at=reject.received_at,
            time=reject.time,
            raw=words,
            raw_base64=None if reject.raw is None or words is not None else b64encode(reject.raw).decode(),
            released_at=reject.released_at,
        )


class Released(BaseModel):
    """What a release did."""

    stored: Annotated[int, Field(description="Samples that are stored now and were not before.")]


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None
