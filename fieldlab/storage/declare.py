"""Declaring a lab: what is missing is added, what differs is changed, what is not declared stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, insert, select, text, update

from fieldlab.assets.asset_type import AssetTypes, read_types
from fieldlab.assets.difference import KINDS, Change, Mark, Plan, difference, named
from fieldlab.assets.inventory import AssetEntry, BindingEntry, Inventory, TrialEntry
from fieldlab.assets.lab import Lab
from fieldlab.assets.resolve import resolve
from fieldlab.storage import schema
from fieldlab.storage.booking import book
from fieldlab.storage.inventory import read_inventory

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('fieldlab.declare', 0))")
"""Lets no other declaration in between."""

_STREAM_IDS: Final = text(
    """
    SELECT a.slug || '.' || s.name AS name, s.id
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
    """
)
"""The key of every stream by its reference."""

_TABLES: Final[Mapping[str, Table]] = {
    "participant": schema.participant,
    "source": schema.source,
    "asset": schema.asset,
    "stream": schema.stream,
    "binding": schema.binding,
    "trial": schema.trial,
}

Values = dict[str, Any]


def declare(connection: Connection, lab: Lab, *, types: AssetTypes | None = None) -> Plan:
    """Bring the catalogue and the bookings to the declaration, and say what that took; twice is the same as once.

    `types` are the asset types that need no declaration, those that come with Fieldlab if not given. Raises
    InvalidInput for a declaration that names what is not there, Conflict where it would change what stored data means
    or whose it was, TenureConflict where a machine is booked by others. The caller's transaction decides whether it
    lasts.
    """
    declared = resolve(lab, read_types() if types is None else types).sound()
    present = inventory_to_change(connection)
    changes = enter(connection, present, declared)
    return Plan(changes=(*changes, *book(connection, present, declared)))


def inventory_to_change(connection: Connection) -> Inventory:
    """Read what is there, and let nobody else declare anything until the transaction ends."""
    connection.execute(_ONE_AT_A_TIME)
    return read_inventory(connection)


def enter(connection: Connection, present: Inventory, declared: Inventory) -> tuple[Change, ...]:
    """Bring the catalogue to what is declared, bookings aside, and list what that takes.

    Raises Conflict where it would change what stored data means or whose it was.
    """
    changes = difference(present, declared)
    for kind in KINDS:
        _enter(connection, kind, [change for change in changes if change.kind == kind], declared)
    return changes


def _enter(connection: Connection, kind: str, changes: Sequence[Change], declared: Inventory) -> None:
    """Write the changes of one kind: what is new in one statement, what differs one by one."""
    changed = {change.name: change for change in changes if change.mark is not Mark.KEPT}
    if not changed:
        return
    table, keys = _TABLES[kind], _Keys(connection)
    entries: Mapping[Any, Any] = getattr(declared, KINDS[kind])
    added: list[Values] = []
    for name, entry in entries.items():
        change = changed.get(named(name))
        if change is None:
            continue
        key, values = keys.of(kind, name), keys.columns(entry)
        if change.mark is Mark.ADDED:
            added.append({**key, **values})
        else:
            new = {one.name for one in change.properties}
            where = and_(*(table.c[column] == value for column, value in key.items()))
            columns = {column: value for column, value in values.items() if {column, column.removesuffix("_id")} & new}
            connection.execute(update(table).where(where).values(**columns))
    if added:
        connection.execute(insert(table), added)


class _Keys:
    """The database's keys for names, read when they are first needed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, dict[str, int]] = {}

    def of(self, kind: str, name: str | tuple[str, str]) -> Values:
        """Give the columns that tell which row a thing is."""
        if isinstance(name, tuple):
            return {"source_id": self._id("source", name[0]), "address": name[1]}
        if kind == "stream":
            asset, _, stream = name.partition(".")
            return {"asset_id": self._id("asset", asset), "name": stream}
        return {"slug": name}

    def columns(self, entry: object) -> Values:
        """Give the other columns."""
        match entry:
            case AssetEntry():
                values = {**_plain(entry), "topics": list(entry.topics)}
                return {**values, "home_owner_id": self._id("participant", values.pop("home_owner"))}
            case BindingEntry():
                return {"stream_id": self._id("stream", entry.stream)}
            case TrialEntry():
                return {"participant_id": self._id("participant", entry.participant)}
        return _plain(entry)

    def _id(self, kind: str, name: str) -> int:
        if kind not in self._known:
            table = _TABLES[kind]
            statement = _STREAM_IDS if kind == "stream" else select(table.c.slug.label("name"), table.c.id)
            self._known[kind] = {row.name: row.id for row in self._connection.execute(statement)}
        return self._known[kind][name]


def _plain(entry: Any) -> Values:  # noqa: ANN401 - any entry of an inventory
    return {name: value.value if isinstance(value, Enum) else value for name, value in asdict(entry).items()}
