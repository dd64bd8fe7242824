"""How far the stored data of an asset reaches: for whoever runs the database, never for an answer."""

from typing import Final

from sqlalchemy import Connection, text

from fieldlab.readings.instant import Instant

_NEWEST: Final = text(
    """
    SELECT max((SELECT m.time FROM fieldlab.measurement AS m WHERE m.stream_id = s.id ORDER BY m.time DESC LIMIT 1))
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE a.slug = :asset
    """
)
"""The newest stored time of any stream of an asset."""


def newest(connection: Connection, asset: str) -> Instant | None:
    """Give the time of the newest stored sample of an asset, or None."""
    found: Instant | None = connection.scalar(_NEWEST, {"asset": asset})
    return found
