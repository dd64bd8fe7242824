"""Machines entered and described anew by whoever administers the lab; whose their data is changes elsewhere."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Asset
from fieldlab.assets.inventory import AssetEntry, StreamEntry
from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, FieldlabError, NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import catalogue
from fieldlab.storage.attempts import changed
from fieldlab.storage.transaction import Bound

_ENTER: Final = text("SELECT visible.enter_asset(CAST(:asset AS jsonb), CAST(:streams AS jsonb))")
"""Enters a machine with its streams."""

_DESCRIBE: Final = text("SELECT visible.describe_asset(:slug, CAST(:changes AS jsonb))")
"""Changes what is said of a machine."""

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

    refused: dict[str, FieldlabError] = {
        _THERE: Conflict(f"There is an asset {slug!r} already; PATCH /v1/assets/{slug} changes it."),
        _NOBODY: NotFound(f"There is no participant {asset.home_owner!r}; GET /v1/participants lists them."),
    }
    await _admitted(scope, engine, entering, refused)
    return await one(scope, engine, slug)


async def describe(scope: ReadScope, engine: AsyncEngine, slug: str, changes: Changes) -> Asset:
    """Change what is said of a machine, never whose it is.

    Raises Forbidden without lab:admin, NotFound where it is not there, Conflict where a recording would become a
    machine, or a machine a recording.
    """

    async def describing(bound: Bound) -> None:
        if not await bound.connection.scalar(_DESCRIBE, {"slug": slug, "changes": json.dumps(dict(changes))}):
            raise _missing(slug)

    told = "A machine becomes no recording, and a recording no machine; enter a new asset for what is new."
    await _admitted(scope, engine, describing, {_REPLAY: Conflict(told)})
    return await one(scope, engine, slug)


async def one(scope: ReadScope, engine: AsyncEngine, slug: str) -> Asset:
    """Give one machine; raises NotFound for one that is not there or hidden."""
    found = await catalogue.assets(scope, engine, slug=slug, limit=1)
    if not found:
        raise _missing(slug)
    return found[0]


async def _admitted(
    scope: ReadScope,
    engine: AsyncEngine,
    change: Callable[[Bound], Awaitable[None]],
    refused: Mapping[str, FieldlabError],
) -> None:
    """Change something as whoever administers the lab; begin anew where somebody else was faster."""
    scope.require(Permission.LAB_ADMIN)
    busy = Conflict("Machines are being changed by others at this moment; try again.")
    await changed(scope, engine, change, busy=busy, refused=refused)


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
