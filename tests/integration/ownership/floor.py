"""A small lab in a database of its own: a mill that goes from one company to the next, and a robot of one's own.

| | before Monday | Monday | Tuesday | from Wednesday |
|---|---|---|---|---|
| mill-1 | lab | sme-a | sme-b | lab |
| robot-1 | sme-b | sme-b | sme-b | sme-b |
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.lab import Lab
from fieldlab.assets.participant import Permission
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.instant import FOREVER, Instant
from fieldlab.storage import hand_overs, keys
from fieldlab.storage.database import adapt, open_async_engine, open_engine
from fieldlab.storage.declare import declare
from fieldlab.storage.pool import Pool, open_pool
from tests.servers.database import Database

MONDAY: Final = Instant.parse("2026-11-16T00:00:00Z")
TUESDAY: Final = Instant.parse("2026-11-17T00:00:00Z")
WEDNESDAY: Final = Instant.parse("2026-11-18T00:00:00Z")

CURRENT: Final = "mill-1.spindle_current"
STATE: Final = "mill-1.state"
JOINT: Final = "robot-1.joint"

LAB: Final = Lab.model_validate(
    {
        "participants": {
            "lab": {"name": "The lab", "role": "operator"},
            "sme-a": {"name": "A", "role": "sme"},
            "sme-b": {"name": "B", "role": "sme"},
            "outsider": {"name": "Nobody's tenant", "role": "researcher"},
        },
        "sources": {"floor": {"wire": "mqtt", "url": "mqtt://localhost"}},
        "assets": {
            "mill-1": {
                "name": "Mill",
                "home_owner": "lab",
                "source": "floor",
                "streams": {
                    "spindle_current": {"unit": "A", "address": "mill/current"},
                    "state": {"kind": "text"},
                },
            },
            "robot-1": {"name": "Robot", "home_owner": "sme-b", "streams": {"joint": {"unit": "deg"}}},
        },
    }
)

EVERYTHING: Final = """
    SELECT array_agg(t.stream_id), array_agg(t.id), array_agg(t.start), array_agg(t.until), array_agg(g.id)
    FROM fieldlab.tenure AS t
    CROSS JOIN (SELECT NULL::uuid AS id UNION ALL SELECT id FROM fieldlab.agreement
                UNION ALL SELECT id FROM fieldlab.break_glass) AS g
"""
NOTE: Final = """
    SELECT visible.note_access(gen_random_uuid(), 'measurements', '{}', NULL, %s::integer[], %s::bigint[],
                               %s::timestamptz[], %s::timestamptz[], %s::uuid[], NULL)
"""

READER: Final = frozenset({Permission.DATA_READ})
OPERATOR: Final = frozenset({Permission.DATA_READ, Permission.LAB_ADMIN})


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The lab, its query service's engine and pool, and one key and scope for each participant."""

    database: Database
    engine: AsyncEngine
    pool: Pool
    tokens: Mapping[str, str]
    scopes: Mapping[str, ReadScope]
    streams: Mapping[str, int]

    def store(self, stream: str, samples: Sequence[tuple[Instant, float | str]], *, status: int = 0) -> None:
        """Store samples as the gateway does."""
        with psycopg.connect(self.database.gateway) as connection:
            adapt(connection)
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO fieldlab.measurement (stream_id, time, value, text, status) "
                    "VALUES (%s, %s, %s, %s, %s)",
                    [
                        (
                            self.streams[stream],
                            time,
                            *((None, value) if isinstance(value, str) else (value, None)),
                            status,
                        )
                        for time, value in samples
                    ],
                )

    def bound(self, participant: str) -> psycopg.Connection:
        """Connect as the query service does, and bind the open transaction to a participant."""
        connection = psycopg.connect(self.database.api)
        adapt(connection)
        connection.execute("SELECT visible.bind(%s)", [self.scopes[participant].credential.digest])
        return connection

    def attacking(self, participant: str) -> psycopg.Connection:
        """Bind, and note an access to everything of everybody, so that the ledger is in nobody's way."""
        connection = self.bound(participant)
        self.note(connection)
        return connection

    def note(self, connection: psycopg.Connection) -> None:
        """Note in an open bound transaction an access to everything of everybody, on every ground there is."""
        with psycopg.connect(self.database.admin) as admin:
            adapt(admin)
            everything = admin.execute(EVERYTHING).fetchone()
        adapt(connection)
        connection.execute(NOTE, everything)


@asynccontextmanager
async def floor_in(database: Database) -> AsyncIterator[Floor]:
    """Set the lab up in a migrated database, with the product's own words."""
    administration = open_engine(database.admin, name="tests")
    try:
        with administration.begin() as connection:
            declare(connection, LAB)
            tokens = {
                slug: keys.issue(
                    connection,
                    participant=slug,
                    principal=f"somebody at {slug}",
                    permissions=OPERATOR if slug == "lab" else READER,
                    expires_at=FOREVER,
                ).token
                for slug in LAB.participants
            }
            streams = {
                f"{asset}.{name}": key
                for asset, name, key in connection.exec_driver_sql(
                    "SELECT a.slug, s.name, s.id FROM fieldlab.stream s JOIN fieldlab.asset a ON a.id = s.asset_id"
                )
            }
    finally:
        administration.dispose()
    engine = open_async_engine(database.api, name="tests of ownership", connections=4)
    try:
        scopes = {slug: await keys.authenticate(engine, token) for slug, token in tokens.items()}
        for owner, start, until in (("sme-a", MONDAY, TUESDAY), ("sme-b", TUESDAY, WEDNESDAY)):
            booking = Tenure(
                owner=owner, trial=f"trial-of-{owner}", interval=Interval(start=start, until=until), booked=True
            )
            await hand_overs.hand_over(scopes["lab"], engine, "mill-1", booking)
        async with open_pool(database.api, name="tests of ownership", connections=4) as pool:
            yield Floor(database=database, engine=engine, pool=pool, tokens=tokens, scopes=scopes, streams=streams)
    finally:
        await engine.dispose()
