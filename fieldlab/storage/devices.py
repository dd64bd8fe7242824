"""Credentials of devices at the brokers: issuing and revoking them, and what the brokers' files are made of."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from fieldlab.assets.broker_files import AssetTopics, DeviceAccount
from fieldlab.assets.broker_password import hashed, new_password
from fieldlab.assets.source import Source, Wire, broker_address
from fieldlab.errors import Conflict, NotFound
from fieldlab.readings.instant import Instant

_SOURCES: Final = text("SELECT id, slug, wire, url, options FROM fieldlab.source WHERE wire = 'mqtt' ORDER BY slug")
"""The brokers of the lab."""

_ADD: Final = text(
    """
    INSERT INTO fieldlab.device (source_id, asset_id, user_name, password_hash)
    SELECT :source, id, :user, :hash FROM fieldlab.asset WHERE slug = :asset RETURNING id
    """
)
"""Enters a device; no row for an asset that is not there."""

_LIST: Final = text(
    """
    SELECT q.slug AS source, a.slug AS asset, d.user_name, d.created_at, d.revoked_at
    FROM fieldlab.device AS d
    JOIN fieldlab.source AS q ON q.id = d.source_id
    JOIN fieldlab.asset AS a ON a.id = d.asset_id
    WHERE CAST(:asset AS text) IS NULL OR a.slug = :asset
    ORDER BY q.slug, d.user_name, d.created_at
    """
)
"""Every device that was ever given a credential."""

_REVOKE: Final = text(
    """
    UPDATE fieldlab.device SET revoked_at = now()
    WHERE source_id = :source AND user_name = :user AND revoked_at IS NULL
    """
)
"""Makes a device's credential void."""

_ACCOUNTS: Final = text(
    """
    SELECT d.user_name, d.password_hash, a.slug AS asset
    FROM fieldlab.device AS d JOIN fieldlab.asset AS a ON a.id = d.asset_id
    WHERE d.source_id = :source AND d.revoked_at IS NULL
    """
)
"""The valid credentials at one broker."""

_TOPICS: Final = text(
    """
    SELECT a.slug AS asset, a.topics, array_agg(b.address) FILTER (WHERE b.address IS NOT NULL) AS addresses
    FROM fieldlab.asset AS a
    LEFT JOIN fieldlab.stream AS s ON s.asset_id = a.id
    LEFT JOIN fieldlab.binding AS b ON b.stream_id = s.id AND b.source_id = :source
    GROUP BY a.id
    """
)
"""What each machine publishes on at one broker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device's credential as it is listed; the password is kept nowhere."""

    source: str
    asset: str
    user: str
    created_at: Instant
    revoked_at: Instant | None


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedDevice:
    """A new credential; `password` is shown once, here."""

    source: str
    user: str
    password: str = field(repr=False)


def broker_of(connection: Connection, slug: str | None) -> Source:
    """Give the broker of this name, or the only one; raises NotFound that names those there are."""
    brokers = _brokers(connection)
    if slug is None and len(brokers) == 1:
        return next(iter(brokers.values()))
    if slug is None or slug not in brokers:
        there = ", ".join(brokers) or "none; declare one in lab.yaml"
        raise NotFound(f"Name the MQTT source with --source; there is: {there}.")
    return brokers[slug]


def of_one_broker(connection: Connection, source: Source) -> list[Source]:
    """Give the sources that read from the same broker as this one, which is among them, by slug."""
    place = broker_address(source.url)
    return [one for one in _brokers(connection).values() if broker_address(one.url) == place]


def add(connection: Connection, *, asset: str, source: Source, user: str) -> IssuedDevice:
    """Give a device of an asset a credential.

    Raises NotFound if there is no such asset, Conflict if the user has a valid credential at the broker, or is the
    gateway.
    """
    if user == source.options.get("user"):
        raise Conflict(f"{user} is the gateway's own user at {source.slug}; choose another name with --user.")
    password = new_password()
    given = {"source": source.id, "asset": asset, "user": user, "hash": hashed(password)}
    try:
        found = connection.scalar(_ADD, given)
    except IntegrityError:
        raise Conflict(
            f"{user} has a credential at {source.slug}; revoke it first, or choose another name with --user."
        ) from None
    if found is None:
        raise NotFound(f"There is no asset {asset!r}; declare it in lab.yaml and run fieldlab apply.")
    return IssuedDevice(source=source.slug, user=user, password=password)


def listed(connection: Connection, *, asset: str | None = None) -> list[Device]:
    """List the devices of one asset, or of all, by broker and name."""
    return [
        Device(
            source=row.source,
            asset=row.asset,
            user=row.user_name,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in connection.execute(_LIST, {"asset": asset})
    ]


def revoke(connection: Connection, *, source: Source, user: str) -> None:
    """Make a device's credential void; raises NotFound if there is none that is valid."""
    if connection.execute(_REVOKE, {"source": source.id, "user": user}).rowcount == 0:
        raise NotFound(f"{user} has no valid credential at {source.slug}; fieldlab device list shows them.")


def accounts(connection: Connection, source: Source) -> list[DeviceAccount]:
    """List the valid credentials at a broker."""
    return [
        DeviceAccount(user=row.user_name, password_hash=row.password_hash, asset=row.asset)
        for row in connection.execute(_ACCOUNTS, {"source": source.id})
    ]


def topics(connection: Connection, source: Source, *, sparkplug: bool = False) -> dict[str, AssetTopics]:
    """Give what each asset publishes on for a source; declared topics hold at every broker.

    `sparkplug` tells that the source's addresses are those of Sparkplug metrics.
    """
    found: dict[str, AssetTopics] = {}
    for row in connection.execute(_TOPICS, {"source": source.id}):
        bound = tuple(row.addresses or ())
        found[row.asset] = AssetTopics(
            addresses=() if sparkplug else bound, metrics=bound if sparkplug else (), declared=tuple(row.topics)
        )
    return found


def _brokers(connection: Connection) -> dict[str, Source]:
    return {
        row.slug: Source(id=row.id, slug=row.slug, wire=Wire(row.wire), url=row.url, options=row.options)
        for row in connection.execute(_SOURCES)
    }
