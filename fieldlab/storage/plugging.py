"""Plugging in: sources, and which discovered addresses feed which streams; by the same plan as a declaration."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.difference import Change, Mark, Plan, difference
from fieldlab.assets.inventory import AssetEntry, BindingEntry, Inventory, SourceEntry, StreamEntry
from fieldlab.assets.participant import Permission
from fieldlab.assets.plug import Plug, Plugged, Seen, plugged
from fieldlab.assets.source import Options, Wire
from fieldlab.errors import Conflict, NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.attempts import RACED, changed
from fieldlab.storage.declare import enter, inventory_to_change
from fieldlab.storage.discoveries import Discovery, every_discovery
from fieldlab.storage.transaction import Bound, reading

_SOURCES: Final = text(
    """
    SELECT * FROM visible.source
    WHERE (CAST(:slug AS text) IS NULL OR slug = :slug) AND slug > :after ORDER BY slug LIMIT :limit
    """
)
"""The sources by slug, for whoever administers the lab."""

_PLUGGED_IN: Final = text("SELECT visible.plugged_in()")
"""What is plugged in where, in one moment."""

_SEEN: Final = text(
    """
    SELECT address, kind, unit, quantity, description, semantic_id, low, high FROM visible.discovery
    WHERE source = :source AND (CAST(:address AS text) IS NULL OR address = :address) ORDER BY address
    """
)
"""What arrives at a source and is not bound."""

_PLUG_IN: Final = text(
    "SELECT visible.plug_in(CAST(:sources AS jsonb), CAST(:streams AS jsonb), CAST(:bindings AS jsonb))"
)
"""Enters sources, streams and bindings."""

_RACED: Final = RACED | {"23505"}


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSource:
    """A source, how many addresses of it are bound, and how many arrive that are not."""

    slug: str
    wire: Wire
    url: str
    options: Options
    bindings: int
    discoveries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a step changed, or would change, and addresses that it left out because their asset is not in the lab."""

    plan: Plan
    left_out: tuple[str, ...] = ()


async def sources(
    scope: ReadScope, engine: AsyncEngine, *, slug: str | None = None, after: str = "", limit: int = 100
) -> tuple[KnownSource, ...]:
    """List the sources by slug; raises Forbidden without lab:admin."""
    scope.require(Permission.LAB_ADMIN)
    async with reading(scope, engine) as bound:
        rows = await bound.connection.execute(_SOURCES, {"slug": slug, "after": after, "limit": limit})
        return tuple(_known(row) for row in rows)


async def add_source(
    scope: ReadScope, engine: AsyncEngine, slug: str, source: SourceEntry, *, dry_run: bool = False
) -> Outcome:
    """Enter a source, or change where it leads; twice is the same as once.

    Raises Forbidden without lab:admin, Conflict where the source has another wire.
    """
    declared = Plugged(declared=Inventory(sources={slug: source}))
    return await _plug_in(scope, engine, lambda _present, _seen: declared, dry_run=dry_run)


async def bind(scope: ReadScope, engine: AsyncEngine, plug: Plug, *, dry_run: bool = False) -> Outcome:
    """Bind what arrives: make the streams that are missing, and have gateways store what came before.

    Raises Forbidden without lab:admin, and InvalidInput, NotFound and Conflict as `plugged` does.
    """
    plug.check()
    return await _plug_in(
        scope, engine, lambda present, seen: plugged(present, plug, seen), seen_by=plug, dry_run=dry_run
    )


def bind_discoveries(connection: Connection, plug: Plug) -> Outcome:
    """Do the same for whoever runs the database; the caller's transaction decides whether it lasts."""
    plug.check()
    present = inventory_to_change(connection)
    seen = [_of(one) for one in every_discovery(connection, source=plug.source, limit=None)]
    found = plugged(present, plug, seen)
    return Outcome(plan=Plan(changes=enter(connection, present, found.declared)), left_out=found.left_out)


async def _plug_in(
    scope: ReadScope,
    engine: AsyncEngine,
    wanted: Callable[[Inventory, Sequence[Seen]], Plugged],
    *,
    seen_by: Plug | None = None,
    dry_run: bool,
) -> Outcome:
    """Read what is there, plan, and enter the plan, in one transaction; begin anew where somebody else was faster."""
    scope.require(Permission.LAB_ADMIN)

    async def plugging(bound: Bound) -> Outcome:
        present = _inventory(await bound.connection.scalar(_PLUGGED_IN))
        found = wanted(present, await _seen(bound, seen_by))
        changes = difference(present, found.declared)
        effective = tuple(change for change in changes if change.mark is not Mark.KEPT)
        if effective and not dry_run:
            await bound.connection.execute(_PLUG_IN, _written(effective, found.declared))
        return Outcome(plan=Plan(changes=effective), left_out=found.left_out)

    busy = Conflict("Sources and bindings are being changed by others at this moment; try again.")
    return await changed(scope, engine, plugging, busy=busy, raced=_RACED)


async def _seen(bound: Bound, plug: Plug | None) -> tuple[Seen, ...]:
    if plug is None:
        return ()
    rows = await bound.connection.execute(_SEEN, {"source": plug.source, "address": plug.address})
    return tuple(_of(row) for row in rows)


def _of(row: Row[Any] | Discovery) -> Seen:
    return Seen(
        address=row.address,
        kind=Kind(row.kind),
        unit=row.unit,
        quantity=row.quantity,
        description=row.description,
        semantic_id=row.semantic_id,
        low=row.low,
        high=row.high,
    )


def _inventory(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Inventory:
    """Read what the database tells; of streams it tells kind and unit alone."""
    return Inventory(
        sources={
            row["slug"]: SourceEntry(wire=Wire(row["wire"]), url=row["url"], options=row["options"])
            for row in found["sources"]
        },
        assets={
            row["slug"]: AssetEntry(
                name=row["name"],
                home_owner=row["home_owner"],
                nature=Nature(row["nature"]),
                place=row["place"],
                description=row["description"],
                topics=tuple(row["topics"]),
            )
            for row in found["assets"]
        },
        streams={
            f"{row['asset']}.{row['name']}": StreamEntry.of(Kind(row["kind"]), row["unit"]) for row in found["streams"]
        },
        bindings={
            (row["source"], row["address"]): BindingEntry(stream=f"{row['asset']}.{row['name']}")
            for row in found["bindings"]
        },
    )


def _written(changes: Sequence[Change], declared: Inventory) -> dict[str, str]:
    """Write what is new, and sources that change, as the database takes them."""
    named = {(change.kind, change.name) for change in changes}
    sources_ = [
        {"slug": slug, "wire": one.wire.value, "url": one.url, "options": one.options}
        for slug, one in declared.sources.items()
        if ("source", slug) in named
    ]
    streams = [
        {**_split(reference), **_plain(one)}
        for reference, one in declared.streams.items()
        if ("stream", reference) in named
    ]
    bindings = [
        {"source": place[0], "address": place[1], **_split(one.stream)}
        for place, one in declared.bindings.items()
        if ("binding", " ".join(place)) in named
    ]
    return {"sources": json.dumps(sources_), "streams": json.dumps(streams), "bindings": json.dumps(bindings)}


def _plain(stream: StreamEntry) -> dict[str, object]:
    return {
        "kind": stream.kind.value,
        "unit": stream.unit,
        "quantity": stream.quantity,
        "semantic_id": stream.semantic_id,
        "description": stream.description,
        "low": stream.low,
        "high": stream.high,
    }


def _split(reference: str) -> dict[str, str]:
    asset, _, name = reference.partition(".")
    return {"asset": asset, "name": name}


def _known(row: Row[Any]) -> KnownSource:
    return KnownSource(
        slug=row.slug,
        wire=Wire(row.wire),
        url=row.url,
        options=row.options,
        bindings=row.bindings,
        discoveries=row.discoveries,
    )


async def source_of(scope: ReadScope, engine: AsyncEngine, slug: str) -> KnownSource:
    """Give one source; raises Forbidden without lab:admin, NotFound where it is not there."""
    found = await sources(scope, engine, slug=slug, limit=1)
    if not found:
        raise NotFound(f"There is no source {slug!r}; GET /v1/sources lists those there are.")
    return found[0]
