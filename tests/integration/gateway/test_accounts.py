"""Who sees what of the accounts, the rejects and the discoveries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.servers.database import Database


@pytest.fixture
def shared(database: Database) -> Database:
    """A mill of the lab that is sme-a's for two hours and a half, with accounts, rejects, waiting and a discovery."""
    with psycopg.connect(database.admin) as admin:
        admin.execute(
            """
            INSERT INTO fieldlab.participant (slug, name, role)
            VALUES ('lab', 'L', 'operator'), ('sme-a', 'A', 'sme'), ('sme-b', 'B', 'sme');
            INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
            SELECT 'mill', 'Mill', id, 'real' FROM fieldlab.participant WHERE slug = 'lab';
            INSERT INTO fieldlab.source (slug, wire, url) VALUES ('mqtt', 'mqtt', 'mqtt://x');
            INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
            SELECT id, 'speed', 'number', '1' FROM fieldlab.asset;
            DELETE FROM fieldlab.tenure;
            INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
            SELECT s.id, p.id, t.start, t.until, t.booked
            FROM fieldlab.stream AS s, fieldlab.participant AS p, (VALUES
                ('lab', timestamptz '-infinity', to_timestamp(490000 * 3600.0), false),
                ('sme-a', to_timestamp(490000 * 3600.0), to_timestamp(490002 * 3600.0 + 1800), true),
                ('lab', to_timestamp(490002 * 3600.0 + 1800), 'infinity', false)) AS t (who, start, until, booked)
            WHERE p.slug = t.who;
            INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)
            SELECT ARRAY[o.id, o.id, o.id, o.id, o.id], ARRAY[s.id, s.id, s.id, s.id, 0],
                   ARRAY[489999, 490000, 490001, 490002, 490001], ARRAY[1, 10, 100, 1000, 0], ARRAY[0, 1, 0, 0, 0],
                   ARRAY[0, 0, 2, 0, 7]
            FROM fieldlab.source AS o, fieldlab.stream AS s;
            INSERT INTO fieldlab.reject (source_id, source, stream_id, received_at, reason, detail, raw)
            SELECT o.id, o.slug, s.id, to_timestamp(490001 * 3600.0), 'wrong_type', 'a text', 'secret'
            FROM fieldlab.source AS o, fieldlab.stream AS s;
            INSERT INTO fieldlab.spool (name) VALUES ('one');
            INSERT INTO fieldlab.waiting (spool, source_id, samples, oldest)
            SELECT 'one', id, 5, now() FROM fieldlab.source;
            INSERT INTO fieldlab.discovery (source_id, address, kind, value, samples, first_seen, last_seen)
            SELECT id, 'new', 'number', 1.5, 11, now() - interval '10 s', now() FROM fieldlab.source;
            INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at)
            SELECT id, slug, sha256(sha256(convert_to(slug, 'UTF8'))),
                   CASE slug WHEN 'lab' THEN ARRAY['data:read', 'lab:admin'] ELSE ARRAY['data:read'] END, 'infinity'
            FROM fieldlab.participant;
            """
        )
    return database


@contextmanager
def bound(database: Database, participant: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(database.api, row_factory=dict_row) as connection:
        connection.execute("SELECT visible.bind(sha256(convert_to(%s, 'UTF8')))", [participant])
        yield connection


def seen(database: Database, participant: str, view: str) -> list[dict[str, Any]]:
    with bound(database, participant) as connection:
        return connection.execute(SQL("SELECT * FROM visible.{}").format(Identifier(view))).fetchall()


def sums(database: Database, participant: str) -> tuple[int, ...]:
    rows = seen(database, participant, "account")
    for row in rows:
        assert row["received"] == row["stored"] + row["duplicates"] + row["rejected"] + row["waiting"]
    return tuple(sum(row[name] for row in rows) for name in ("received", "stored", "duplicates", "rejected", "waiting"))


@pytest.mark.parametrize("folded", [False, True], ids=["entries", "folded"])
def test_a_participant_sees_the_hours_that_lie_wholly_in_its_tenure_and_the_operator_all(
    shared: Database, folded: bool
) -> None:
    if folded:
        with psycopg.connect(shared.gateway) as gateway:
            assert gateway.execute("SELECT fieldlab.fold_accounts()").fetchone() == (1,)
            assert gateway.execute("SELECT fieldlab.fold_accounts()").fetchone() == (0,)
    assert sums(shared, "lab") == (1126, 1111, 1, 9, 5)
    assert sums(shared, "sme-a") == (113, 110, 1, 2, 0)
    assert sums(shared, "sme-b") == (0, 0, 0, 0, 0)
    assert {(row["source"], row["asset"], row["stream_name"]) for row in seen(shared, "sme-a", "account")} == {
        ("mqtt", "mill", "speed")
    }


def test_the_bytes_of_a_reject_are_for_whoever_had_the_stream_when_they_came(shared: Database) -> None:
    assert [row["raw"] for row in seen(shared, "sme-a", "reject")] == [b"secret"]
    assert [(row["raw"], row["detail"]) for row in seen(shared, "lab", "reject")] == [(None, "a text")]
    assert seen(shared, "sme-b", "reject") == []


def test_discoveries_are_for_whoever_administers_the_lab_until_they_are_bound(shared: Database) -> None:
    ((found),) = seen(shared, "lab", "discovery")
    assert (found["address"], found["kind"], found["value"], round(found["per_second"], 3)) == ("new", "number", 1.5, 1)
    assert seen(shared, "sme-a", "discovery") == []
    with psycopg.connect(shared.admin) as admin:
        admin.execute(
            "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
            " SELECT o.id, 'new', s.id FROM fieldlab.source AS o, fieldlab.stream AS s"
        )
    assert seen(shared, "lab", "discovery") == []


def test_only_whoever_administers_the_lab_releases_a_reject(shared: Database) -> None:
    with bound(shared, "sme-a") as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT visible.release_reject(id) FROM visible.reject")
    with bound(shared, "lab") as operator, pytest.raises(psycopg.errors.NoDataFound, match="no quarantined reject"):
        operator.execute("SELECT visible.release_reject(id) FROM visible.reject")


def test_the_accounts_cannot_be_made_not_to_add_up(shared: Database) -> None:
    with psycopg.connect(shared.admin) as admin, pytest.raises(psycopg.errors.CheckViolation, match="account_adds_up"):
        admin.execute("INSERT INTO fieldlab.account VALUES (1, 1, 1, 5, 1, 1, 1)")
