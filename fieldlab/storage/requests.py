"""Requests with an idempotency key: begun once, and answered again as often as they are sent."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.attempts import RACED
from fieldlab.storage.transaction import adding

_BEGIN: Final = text("SELECT verdict, status, media_type, body, location FROM visible.begin_request(:key, :digest)")
"""Begins a request, or tells what became of it before."""

_END: Final = text(
    "SELECT visible.end_request(:key, CAST(:status AS integer), CAST(:media_type AS text), CAST(:body AS bytea),"
    " CAST(:location AS text))"
)
"""Keeps the answer to a request, or lets it be made again."""


class Verdict(StrEnum):
    """What became of a request with the same key before."""

    NEW = "new"
    RUNNING = "running"
    OTHER = "other"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An answer that is kept; `location` is where what it made can be found."""

    status: int
    media_type: str
    body: bytes
    location: str | None = None


async def begin(scope: ReadScope, engine: AsyncEngine, key: str, digest: bytes) -> tuple[Verdict, Kept | None]:
    """Begin a request with this key and the SHA-256 of what it asks, or give what the same one was answered."""
    try:
        async with adding(scope, engine) as bound:
            row = (await bound.connection.execute(_BEGIN, {"key": key, "digest": digest})).one()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in RACED:
            return Verdict.RUNNING, None
        raise
    verdict = Verdict(row.verdict)
    if verdict is not Verdict.ANSWERED:
        return verdict, None
    return verdict, Kept(status=row.status, media_type=row.media_type, body=bytes(row.body), location=row.location)


async def end(scope: ReadScope, engine: AsyncEngine, key: str, answer: Kept | None) -> None:
    """Keep the answer to a request that was begun; without one it may be made again."""
    kept = (
        dict.fromkeys(("status", "media_type", "body", "location"))
        if answer is None
        else {
            "status": answer.status,
            "media_type": answer.media_type,
            "body": answer.body,
            "location": answer.location,
        }
    )
    async with adding(scope, engine) as bound:
        await bound.connection.execute(_END, {"key": key, **kept})
