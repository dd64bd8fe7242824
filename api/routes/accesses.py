"""The access ledger: who read what, and proofs that nobody has changed it since."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.models.accesses import Access, Checkpoint, Proof
from api.models.page import ListQuery, Page, page
from fieldlab.assets.participant import Permission
from fieldlab.ownership.access import Leaf, Whose
from fieldlab.storage import ledger


class _Query(ListQuery):
    whose: Annotated[
        Whose | None,
        Field(description="`mine`: what you read. `others`: who else read what you owned. Both without it."),
    ] = None


class _ProofQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    index: Annotated[int | None, Field(ge=0, description="Prove that this entry is in the ledger.")] = None
    earlier: Annotated[
        int | None, Field(ge=0, description="Prove that a checkpoint of this size is the ledger's beginning.")
    ] = None
    size: Annotated[
        int | None, Field(ge=0, description="Of the ledger as it was at this size; as it is without it.")
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "_ProofQuery":
        if (self.index is None) == (self.earlier is None):
            raise PydanticCustomError("invalid-input", "Give either index, or earlier.")
        return self


def _before(place: list[Any] | None) -> int | None:
    return int(place[0]) if place else None


def _place(leaf: Leaf) -> list[str | int]:
    return [leaf.index]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("ledger")

    @routes.get("/accesses", summary="Who read what")
    async def accesses(scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]) -> Page[Access]:
        """Your own accesses, and every access by anybody to what you owned when it was measured, newest first.

        An entry is written before the first byte of its answer leaves, and listed some seconds later, when the answer
        has ended; one that runs longer is listed while it runs, and again with its end. Needs `data:read`.
        """
        scope.require(Permission.DATA_READ)
        if query.cursor is None:
            await desk.ends.flush()
        return await page(
            scope,
            desk.cursors,
            query,
            route="accesses",
            fetch=lambda after, limit: ledger.listed(
                scope, desk.engine, whose=query.whose, before=_before(after), limit=limit
            ),
            place=_place,
            shown=Access.of,
        )

    @routes.get("/accesses/checkpoint", summary="The newest checkpoint of the ledger")
    async def checkpoint(scope: Caller, desk: AtDesk) -> Checkpoint:
        """Keep it where the lab cannot reach it: with it you find out later whether anything before it was changed."""
        await desk.ends.flush()
        return Checkpoint.of(await ledger.checkpoint(scope, desk.engine))

    @routes.get("/accesses/proof", summary="Prove that an entry, or an old checkpoint, is in the ledger")
    async def proof(scope: Caller, desk: AtDesk, query: Annotated[_ProofQuery, Query()]) -> Proof:
        """With `index`, that an entry is in it (RFC 9162, 2.1.3); with `earlier`, that it only grew since (2.1.4)."""
        if query.index is not None:
            return Proof.of(await ledger.prove_inclusion(scope, desk.engine, query.index, size=query.size))
        return Proof.of(await ledger.prove_consistency(scope, desk.engine, query.earlier or 0, size=query.size))

    return routes
