"""Machines entered and described anew by whoever administers the lab; whose their data is changes elsewhere."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Asset
from fieldlab.assets.inventory import AssetEntry, StreamEntry
from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import catalogue
from fieldlab.storage.transaction import Bound, changing

_ENTER: Final = text("SELECT visible.enter_asset(CAST(:asset AS jsonb), CAST(:streams AS jsonb))")
"""Enters a machine with its streams."""

_DESCRIBE: Final = text("SELECT visible.describe_asset(:slug, CAST(:changes AS jsonb))")
"""Changes what is said of a machine."""

_TRIES: Final = 5
_RACED: Final = {"40001", "40P01"}
_THERE: Final = "23505"
_NOBODY: Final = "P0002"
_REPLAY: Final = "23514"

Changes = Mapping[str, str | list[str]]
"""New values by what they are of: name, nature, place, description, topics."""


async def enter(
    scope: ReadScope, engine: AsyncEngine, slug: str, asset: AssetEntry, streams: Mapping[str, StreamEntry]
) -> Asset:
    """Enter a machine with its streams, by name; they are its home owner's.

    Raises Forbidden without lab:admin, NotFound for an unknown home owner, Conflict where the slug is taken.
    """
    asked = {"asset": json.dumps({"slug": slug, **_written(asset)}), "streams": json.dumps(_streams(streams))}

    async def entering(bound: Bound) -> None:
        await bound.connection.execute(_ENTER, asked)

    try:
        await _admitted(scope, engine, entering)
    except DBAPIError as error:
        match getattr(error.orig, "sqlstate", None):
            case code if code == _THERE:
                raise Conflict(f"There is an asset {slug!r} already; PATCH /v1/assets/{slug} changes it.") from None
            case code if code == _NOBODY:
                told = f"There is no participant {asset.home_owner!r}; GET /v1/participants lists them."
                raise NotFound(told) from None
        raise
    return await one(scope, engine, slug)


async def describe(scope: ReadScope, engine: AsyncEngine, slug: str, changes: Changes) -> Asset:
    """Change what is said of a machine, never whose it is.

    Raises Forbidden without lab:admin, NotFound where it is not there, Conflict where a recording would become a
    machine, or a machine a recording.
    """

    async def describing(bound: Bound) -> None:
        if not await bound.connection.scalar(_DESCRIBE, {"slug": slug, "changes": json.dumps(dict(changes))}):
            raise _missing(slug)

    try:
        await _admitted(scope, engine, describing)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _REPLAY:
            raise
        told = "A machine becomes no recording, and a recording no machine; enter a new asset for what is new."
        raise Conflict(told) from None
    return await one(scope, engine, slug)


async def one(scope: ReadScope, engine: AsyncEngine, slug: str) -> Asset:
    """Give one machine; raises NotFound for one that is not there or hidden."""
    found = await catalogue.assets(scope, engine, slug=slug, limit=1)
    if not found:
        raise _missing(slug)
    return found[0]


async def _admitted(scope: ReadScope, engine: AsyncEngine, change: Callable[[Bound], Awaitable[None]]) -> None:
    """Change something as whoever administers the lab; begin anew where somebody else was faster."""
    scope.require(Permission.LAB_ADMIN)
    for _ in range(_TRIES):
        try:
            async with changing(scope, engine) as bound:
                await change(bound)
                return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _RACED:
                raise
    raise Conflict("Machines are being changed by others at this moment; try again.")


def _missing(slug: str) -> NotFound:
    return NotFound(f"There is no asset {slug!r}; GET /v1/assets lists those you can see.")


def _written(asset: AssetEntry) -> dict[str, Any]:
    return {
        "name": asset.name,
        "home_owner": asset.home_owner,
        "nature": asset.nature.value,
        "place": asset.place,
        "description": asset.description,
        "topics": list(asset.topics),
    }


def _streams(streams: Mapping[str, StreamEntry]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "kind": one.kind.value,
            "unit": one.unit,
            "quantity": one.quantity,
            "semantic_id": one.semantic_id,
            "description": one.description,
            "low": one.low,
            "high": one.high,
            "lateness": None if one.lateness is None else f"{one.lateness.total_seconds()} s",
        }
        for name, one in streams.items()
    ]
