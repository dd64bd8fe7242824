"""Declaring a lab: what is missing is added, what differs is changed, what is not declared stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, insert, select, update

from fieldlab.assets.lab import DeclaredAsset, DeclaredStream, Lab
from fieldlab.errors import Conflict
from fieldlab.storage import schema

_FIXED: Final = {"asset": {"home_owner_id"}, "stream": {"kind", "unit"}}
"""What a declaration cannot change once it is set: who owned, and what the stored numbers mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One line of difference: `added` or changed, a kind of thing and its name, and which of its properties."""

    added: bool
    kind: str
    name: str
    properties: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write it as a line of a difference."""
        return f"{'+' if self.added else '~'} {self.kind} {self.name}{': ' * bool(self.properties)}" + ", ".join(
            self.properties
        )


def declare(connection: Connection, lab: Lab) -> list[Change]:
    """Bring the catalogue to the declaration and list what that took; twice is the same as once.

    Raises Conflict where a declaration would change what stored data means or whose it was.
    """
    changes: list[Change] = []
    for slug, participant in lab.participants.items():
        _settle(connection, changes, schema.participant, {"slug": slug}, participant.model_dump(mode="json"), slug)
    for slug, source in lab.sources.items():
        _settle(connection, changes, schema.source, {"slug": slug}, source.model_dump(mode="json"), slug)
    for slug, asset in lab.assets.items():
        _settle_asset(connection, changes, slug, asset)
    return changes


def _settle_asset(connection: Connection, changes: list[Change], slug: str, asset: DeclaredAsset) -> None:
    values = {
        "name": asset.name,
        "home_owner_id": _id(connection, schema.participant, asset.home_owner),
        "nature": asset.nature.value,
        "description": asset.description,
    }
    asset_id = _settle(connection, changes, schema.asset, {"slug": slug}, values, slug)
    source_id = _id(connection, schema.source, asset.source) if asset.source else None
    for name, stream in asset.streams.items():
        stream_id = _settle(
            connection, changes, schema.stream, {"asset_id": asset_id, "name": name}, _values(stream), f"{slug}.{name}"
        )
        if source_id is not None and stream.address is not None:
            key = {"source_id": source_id, "address": stream.address}
            _settle(
                connection, changes, schema.binding, key, {"stream_id": stream_id}, f"{asset.source} {stream.address}"
            )


def _values(stream: DeclaredStream) -> dict[str, object]:
    return stream.model_dump(mode="json", exclude={"address"})


def _settle(
    connection: Connection,
    changes: list[Change],
    table: Table,
    key: Mapping[str, object],
    values: Mapping[str, object],
    name: str,
) -> int | None:
    where: ColumnElement[bool] = and_(*(table.c[column] == value for column, value in key.items()))
    kind = table.name
    id_ = [table.c.id] if "id" in table.c else []
    row = connection.execute(select(*id_, *(table.c[column] for column in values)).where(where)).one_or_none()
    if row is None:
        changes.append(Change(added=True, kind=kind, name=name))
        return connection.execute(insert(table).values(**key, **values).returning(*(id_ or table.primary_key))).scalar()
    differing = {column: value for column, value in values.items() if getattr(row, column) != value}
    if kept := sorted(_FIXED.get(kind, set()) & set(differing)):
        named = ", ".join(column.removesuffix("_id") for column in kept)
        raise Conflict(
            f"{kind} {name}: {named} cannot change, because data is stored under it; declare a new name for it."
        )
    if differing:
        changes.append(Change(added=False, kind=kind, name=name, properties=tuple(differing)))
        connection.execute(update(table).where(where).values(**differing))
    return row.id if id_ else None


def _id(connection: Connection, table: Table, slug: str) -> int | None:
    return connection.scalar(select(table.c.id).where(table.c.slug == slug))
