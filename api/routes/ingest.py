"""What became of what the sources handed over: accounts, rejects, and letting a quarantined one in after all."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import Day, SlugText
from api.guarded import Caller, guarded_router
from api.models.ingest import Account, Reject, Released
from api.models.page import ListQuery, Page, page
from fieldlab.readings.reject import Reason
from fieldlab.storage import ingest

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "No stream is bound to the address, or the samples do not fit the stream's kind"}
}


class _Accounts(ListQuery):
    since: Annotated[Day | None, Field(description="From this day on.")] = None
    source: Annotated[SlugText | None, Field(description="Of this source.")] = None
    asset: Annotated[SlugText | None, Field(description="Of this asset.")] = None


class _Rejects(ListQuery):
    source: Annotated[SlugText | None, Field(description="From this source.")] = None
    reason: Annotated[Reason | None, Field(description="For this reason.")] = None


def _after(place: list[Any] | None) -> tuple[date, str, str, str] | None:
    return (date.fromisoformat(place[0]), place[1], place[2], place[3]) if place else None


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("ingest")

    @routes.get("/ingest/accounts", summary="What became of what was handed over")
    async def accounts(scope: Caller, desk: AtDesk, query: Annotated[_Accounts, Query()]) -> Page[Account]:
        """For each day, source and stream: received = stored + duplicates + rejected + waiting.

        You see the hours that lie wholly in your own tenures; with the scope `lab:admin` all of them.
        """
        return await page(
            scope,
            desk.cursors,
            query,
            route="accounts",
            fetch=lambda after, limit: ingest.accounts(
                scope,
                desk.engine,
                since=query.since,
                source=query.source,
                asset=query.asset,
                after=_after(after),
                limit=limit,
            ),
            place=lambda row: [row.day.isoformat(), row.source or "", row.asset or "", row.stream or ""],
            shown=Account.of,
        )

    @routes.get("/rejects", summary="What could not become a measurement, and why")
    async def rejects(scope: Caller, desk: AtDesk, query: Annotated[_Rejects, Query()]) -> Page[Reject]:
        """Refused inputs, newest first: of your own data with what arrived; with `lab:admin` the reasons of all."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="rejects",
            fetch=lambda after, limit: ingest.rejects(
                scope,
                desk.engine,
                source=query.source,
                reason=query.reason,
                before=int(after[0]) if after else None,
                limit=limit,
            ),
            place=lambda row: [row.id],
            shown=Reject.of,
        )

    @routes.post("/rejects/{id}/release", summary="Let a quarantined input in after all", responses=_CONFLICT)
    async def release(scope: Caller, desk: AtDesk, id_: Annotated[int, Path(alias="id", ge=1, lt=2**63)]) -> Released:
        """Store the samples of a reject whose time was out of bounds, or whose address was not bound.

        Needs `lab:admin`.
        """
        return Released(stored=await ingest.release(scope, desk.engine, id_))

    return routes
