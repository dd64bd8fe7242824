"""A lab whose mill went from one company to another at nine, filled with samples around that moment."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import LiteralString
from uuid import uuid4

import httpx
import psycopg
from fastapi import FastAPI

from api.app import create_app
from cli.lab_schema import options_of
from fieldlab.assets.lab import Lab
from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.settings import ApiSettings
from fieldlab.storage import keys
from fieldlab.storage.database import open_engine
from fieldlab.storage.declare import declare
from tests.servers.database import Database

EIGHT = Instant.parse("2026-11-21T08:00:00Z")
NINE = Instant.parse("2026-11-21T09:00:00Z")
TEN = Instant.parse("2026-11-21T10:00:00Z")
FAR = Instant.parse("2050-01-01T00:00:00Z")

CURRENT = "mill-1.spindle_current"
SPEED = "mill-1.spindle_speed"
STATE = "mill-1.state"
JOINT = "robot-1.joint_1"
DATA = frozenset({Permission.DATA_READ, Permission.DATA_LIVE, Permission.AGREEMENTS_WRITE})
ADMIN = DATA | {Permission.LAB_ADMIN, Permission.DATA_ERASE}

DECLARED = Lab.model_validate(
    {
        "participants": {
            "lab": {"name": "The lab's operator", "role": "operator"},
            "sme-a": {"name": "First company"},
            "sme-b": {"name": "Second company"},
            "researcher": {"name": "University", "role": "researcher"},
        },
        "assets": {
            "mill-1": {
                "name": "Mill",
                "home_owner": "lab",
                "nature": "simulated",
                "streams": {
                    "spindle_current": {"unit": "A", "quantity": "electric current", "description": "Spindle drive"},
                    "spindle_speed": {"unit": "/min", "quantity": "rotational speed"},
                    "state": {"kind": "text"},
                },
            },
            "robot-1": {
                "name": "Robot",
                "home_owner": "researcher",
                "streams": {"joint_1": {"unit": "deg", "quantity": "angle"}, "power": {"unit": "W"}},
            },
        },
    }
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A sample to be stored."""

    time: Instant
    value: float | None = None
    text: str | None = None
    status: int = 0
    origin: int = 0


@dataclass(kw_only=True)
class Floor:
    """A running query service, its database, and a key for each participant."""

    app: FastAPI
    database: Database
    tokens: dict[str, str]
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def __getitem__(self, participant: str) -> httpx.AsyncClient:
        if participant not in self.clients:
            self.clients[participant] = self.client(self.tokens[participant])
        return self.clients[participant]

    def client(self, token: str | None) -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://lab", headers=headers)

    def store(self, reference: str, rows: Iterable[Row]) -> None:
        asset, name = reference.split(".")
        with psycopg.connect(self.database.admin) as connection, connection.cursor() as cursor:
            found = cursor.execute(
                "SELECT s.id FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id"
                " WHERE a.slug = %s AND s.name = %s",
                [asset, name],
            ).fetchone()
            assert found is not None
            columns = "COPY fieldlab.measurement (stream_id, time, value, text, status, origin) FROM STDIN"
            with cursor.copy(columns) as copy:
                for row in rows:
                    copy.write_row((found[0], str(row.time), row.value, row.text, row.status, row.origin))

    def quarantine(self, address: str, reference: str, row: Row) -> None:
        """Hold a sample of a bound address back, as a gateway does with one that came too late."""
        asset, name = reference.split(".")
        line = {"time": str(row.time), "value": row.value, "status": row.status, "origin": row.origin}
        with psycopg.connect(self.database.admin) as connection:
            connection.execute(
                """
                WITH source AS (INSERT INTO fieldlab.source (slug, wire, url)
                                VALUES ('shop-floor', 'mqtt', 'mqtt://127.0.0.1') RETURNING id, slug),
                stream AS (SELECT s.id FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
                           WHERE a.slug = %(asset)s AND s.name = %(name)s),
                binding AS (INSERT INTO fieldlab.binding (source_id, address, stream_id)
                            SELECT source.id, %(address)s, stream.id FROM source, stream),
                account AS (INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)
                            SELECT ARRAY[source.id], ARRAY[stream.id], ARRAY[%(hour)s], ARRAY[3], ARRAY[1], ARRAY[1]
                            FROM source, stream)
                INSERT INTO fieldlab.reject
                    (source_id, source, stream_id, address, reason, detail, samples, received_at, time, raw)
                SELECT source.id, source.slug, stream.id, %(address)s, 'too_late', 'It came too late.', 1,
                       %(time)s::timestamptz, %(time)s::timestamptz, %(raw)s
                FROM source, stream
                """,
                {
                    "asset": asset,
                    "name": name,
                    "address": address,
                    "time": str(row.time),
                    "hour": row.time // (60 * MINUTE),
                    "raw": json.dumps(line).encode(),
                },
            )

    def execute(self, statement: LiteralString, parameters: Sequence[object] = ()) -> None:
        with psycopg.connect(self.database.admin) as connection:
            connection.execute(statement, parameters)

    def issue(self, participant: str, permissions: frozenset[Permission] = DATA, *, until: Instant = FAR) -> str:
        return issue(self.database, participant, permissions, until=until)


@asynccontextmanager
async def floor(database: Database, *, declared: bool = True, **settings: object) -> AsyncIterator[Floor]:
    """A lab that nobody has booked and nothing has measured in yet; or one that is declared already."""
    if declared:
        engine = open_engine(database.admin, name="tests")
        with engine.begin() as connection:
            declare(connection, DECLARED)
        engine.dispose()
    tokens = {slug: issue(database, slug, ADMIN if slug == "lab" else DATA) for slug in DECLARED.participants}
    with TemporaryDirectory(prefix="fieldlab-exports-") as place:
        given = {"api_exports_directory": place, **settings}
        app = create_app(
            ApiSettings.load(api_database_url=database.api, api_connections=4, **given), options_of=options_of
        )
        async with app.router.lifespan_context(app):
            opened = Floor(app=app, database=database, tokens=tokens)
            try:
                yield opened
            finally:
                for client in opened.clients.values():
                    await client.aclose()


async def hand_over(lab: Floor, asset: str, to: str, start: Instant, until: Instant, trial: str | None = None) -> None:
    body = {"to": to, "from": str(start), "until": str(until), "trial": trial}
    answer = await lab["lab"].post(f"/v1/assets/{asset}/hand-overs", json=body)
    assert answer.status_code == 201, answer.text


async def busy_morning(lab: Floor) -> None:
    """The mill: sme-a from eight to nine, sme-b from nine to ten; a sample every ten seconds from seven to eleven."""
    await hand_over(lab, "mill-1", "sme-a", EIGHT, NINE, "tool-wear")
    await hand_over(lab, "mill-1", "sme-b", NINE, TEN)
    every = range(EIGHT - 60 * MINUTE, TEN + 60 * MINUTE, 10 * SECOND)
    lab.store(CURRENT, (Row(time=Instant(time), value=(time - EIGHT) / SECOND) for time in every))
    lab.store(CURRENT, [Row(time=Instant(NINE - 1), value=-1.0), Row(time=Instant(NINE + 1), value=-2.0)])
    lab.store(STATE, (Row(time=Instant(time), text="EXECUTE") for time in every))
    lab.quarantine("lab/mill-1/telemetry#spindle_current", CURRENT, Row(time=Instant(NINE - 2), value=7.5))


def issue(database: Database, participant: str, permissions: frozenset[Permission], *, until: Instant = FAR) -> str:
    engine = open_engine(database.admin, name="tests")
    with engine.begin() as connection:
        issued = keys.issue(
            connection,
            participant=participant,
            principal=f"{uuid4().hex[:8]}@{participant}",
            permissions=permissions,
            expires_at=until,
        )
    engine.dispose()
    return issued.token
