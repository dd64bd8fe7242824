"""A lab for figures of reading: streams that were others' and became the reader's, with an agreement for the first."""

from typing import Final, LiteralString

import psycopg

from fieldlab.assets.participant import Permission
from fieldlab.ownership import document
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.terms import Enforced, Terms
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage import keys
from fieldlab.storage.database import open_async_engine, open_engine
from tests.servers.database import Database

STREAMS: Final = 500
PARTICIPANTS: Final = 20
SECONDS: Final = 7200
BEGIN: Final = Instant.parse("2026-11-20T00:00:00Z")
MIDDLE: Final = Instant(BEGIN + SECONDS // 2 * SECOND)
UNTIL: Final = Instant(BEGIN + SECONDS * SECOND)
READER: Final = "participant-1"
STREAMS_OF_AN_AGREEMENT: Final = 5
"""On the average: 100 agreements for 500 streams."""

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role)
        SELECT 'participant-' || n, 'A participant', 'sme' FROM generate_series(1, %(participants)s) AS n;
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant WHERE slug = %(reader)s;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT id, 's' || n, 'number', '1' FROM fieldlab.asset, generate_series(1, %(streams)s) AS n;
    DELETE FROM fieldlab.tenure;
    INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
        SELECT s.id, p.id, '-infinity', %(middle)s, true FROM fieldlab.stream AS s JOIN fieldlab.participant AS p
            ON p.slug = 'participant-' || 2 + substr(s.name, 2)::integer %% (%(participants)s - 1);
    INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
        SELECT s.id, p.id, %(middle)s, 'infinity', false FROM fieldlab.stream AS s, fieldlab.participant AS p
        WHERE p.slug = %(reader)s;
    INSERT INTO fieldlab.measurement (stream_id, time, value)
        SELECT s.id, %(begin)s + n * interval '1 second', sin(n) FROM fieldlab.stream AS s,
               generate_series(0, %(seconds)s - 1) AS n;
"""
"""Each stream is another's until the middle, and the reader's from then on."""

_AGREEMENT: Final[LiteralString] = """
    WITH made AS (
        INSERT INTO fieldlab.agreement (owner_id, grantee_id, state, proposed_by, answer_by, terms, hash, data_from,
                                        data_until, valid_from, valid_until, embargo)
        SELECT o.id, g.id, 'offered', 'owner', 'infinity', %(terms)s, sha256(convert_to(%(terms)s, 'UTF8')),
               '-infinity', 'infinity', '-infinity', 'infinity', interval '0'
        FROM fieldlab.participant AS o, fieldlab.participant AS g WHERE o.slug = %(owner)s AND g.slug = %(reader)s
        RETURNING id)
    INSERT INTO fieldlab.agreement_stream (agreement_id, stream_id)
        SELECT made.id, s.id FROM made, fieldlab.stream AS s WHERE s.name = ANY (%(names)s);
"""
_APPROVED: Final[LiteralString] = "UPDATE fieldlab.agreement SET state = 'active'"


def share(database: Database, *, streams: int = STREAMS, seconds: int = SECONDS) -> None:
    """Make the lab: two tenures a stream, and an agreement for every five streams for what is not the reader's."""
    others = PARTICIPANTS - 1
    agreements = streams // STREAMS_OF_AN_AGREEMENT
    parameters = {
        "participants": PARTICIPANTS,
        "reader": READER,
        "streams": streams,
        "seconds": seconds,
        "begin": BEGIN.datetime(),
        "middle": MIDDLE.datetime(),
    }
    with psycopg.connect(database.admin, autocommit=True) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_LAB, parameters)
        for other in range(others):
            names = [f"s{number}" for number in range(1, streams + 1) if number % others == other]
            count = agreements // others + (other < agreements % others)
            for place in range(count):
                chosen = names[place::count]
                owner = f"participant-{2 + other}"
                enforced = Enforced(streams=tuple(f"asset.{name}" for name in sorted(chosen)))
                text = document.canonical(Terms(owner=owner, grantee=READER, enforced=enforced))
                cursor.execute(_AGREEMENT, {"terms": text, "owner": owner, "reader": READER, "names": chosen})
        cursor.execute(_APPROVED)
        cursor.execute("VACUUM ANALYZE")


def token_of(database: Database, participant: str) -> str:
    """Make a key that reads in the name of a participant."""
    engine = open_engine(database.admin, name="bench")
    with engine.begin() as connection:
        issued = keys.issue(
            connection,
            participant=participant,
            principal="bench",
            permissions=frozenset({Permission.DATA_READ}),
            expires_at=Instant(Instant.now() + 3600 * SECOND),
        )
    engine.dispose()
    return issued.token


async def scope_of(database: Database, participant: str) -> ReadScope:
    """Give the right to read of a participant."""
    engine = open_async_engine(database.api, name="bench", connections=1)
    try:
        return await keys.authenticate(engine, token_of(database, participant))
    finally:
        await engine.dispose()
