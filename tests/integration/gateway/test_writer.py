"""What the writer promises of a batch: written once, whole, and every row exactly as it was."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

from fieldlab.errors import Unavailable
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.storage.account import Fate, Refusal
from fieldlab.storage.batch import Backlog, Batch, Outcome, plan
from fieldlab.storage.rows import Rows
from fieldlab.storage.write import Writer
from tests.integration.gateway.wire import accounts, declare, rejected
from tests.servers.database import Database

BEGIN = Instant.parse("2026-03-01T23:59:50Z")
"""Ten seconds before midnight, so that batches span chunks."""


def rows_of(*values: float | str | None, stream: int = 1, start: int = BEGIN, status: int = 0) -> Rows:
    count = len(values)
    return Rows(
        streams=np.full(count, stream, np.int32),
        statuses=np.full(count, status, np.int16),
        origins=np.full(count, 3, np.int16),
        times=start + np.arange(count) * SECOND,
        values=np.array([value if isinstance(value, float) else math.nan for value in values]),
        numeric=np.array([isinstance(value, float) for value in values], np.bool_),
        texts={at: value for at, value in enumerate(values) if isinstance(value, str)},
        places=np.zeros(count, np.int32),
        addresses=((1, "a"),),
    )


def batch(rows: Rows, number: int, refusals: tuple[Refusal, ...] = ()) -> Batch:
    return Batch(first=number, last=number, rows=rows, received_at=BEGIN, refusals=refusals)


def counts(outcome: Outcome) -> list[int]:
    return [outcome.count(fate) for fate in Fate]


def stored(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.admin) as connection:
        found = connection.execute(
            "SELECT stream_id, status, origin, (extract(epoch FROM time) * 1000000)::bigint, value, text"
            " FROM fieldlab.measurement ORDER BY stream_id, time"
        ).fetchall()
    return [(*row[:4], repr(row[4]), row[5]) for row in found]


def test_rows_are_stored_to_the_bit(database: Database) -> None:
    values = (0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, "", "é ☃ \U0001f916", None)
    with Writer(database.gateway, spool="one") as writer:
        writer.write(plan(batch(rows_of(*values, stream=2**31 - 1, status=-(2**15)), 1)))
    assert stored(database) == [
        (
            2**31 - 1,
            -(2**15),
            3,
            BEGIN + at * SECOND,
            repr(value if isinstance(value, float) else None),
            value if isinstance(value, str) else None,
        )
        for at, value in enumerate(values)
    ]


@pytest.mark.parametrize("time", [Instant.parse("0001-01-01T00:00:00Z"), Instant.parse("1969-12-31T23:59:59.999999Z")])
def test_times_long_past_are_stored_to_the_microsecond(database: Database, time: Instant) -> None:
    with Writer(database.gateway, spool="one") as writer:
        writer.write(plan(batch(rows_of(1.0, start=time), 1)))
    assert [row[3] for row in stored(database)] == [time]


def test_ten_thousand_rows_in_any_order_are_all_stored(database: Database) -> None:
    count = 10_000
    shuffled = np.random.default_rng(1).permutation(count)
    rows = rows_of(*map(float, range(count))).take(shuffled)
    with Writer(database.gateway, spool="one") as writer:
        assert counts(writer.write(plan(batch(rows, 1)))) == [count, 0, 0, 0]
    assert [row[4] for row in stored(database)] == [repr(float(at)) for at in range(count)]


def test_a_batch_that_was_committed_without_an_answer_keeps_its_outcome(database: Database) -> None:
    declare(database)
    refusal = Refusal(source=1, reject=Reject(reason=Reason.MALFORMED, detail="", raw=b"", received_at=BEGIN))
    planned = plan(batch(rows_of(1.0, 2.0), 1, (refusal,)))
    with Writer(database.gateway, spool="one") as writer:
        assert counts(writer.write(planned)) == [2, 0, 0, 0]
        writer.close()
        assert counts(writer.write(planned)) == [2, 0, 0, 0]
    with Writer(database.gateway, spool="one") as another:
        assert another.written() == 1
        assert counts(another.write(planned)) == [0, 2, 0, 0]
    assert len(stored(database)) == 2
    assert len(rejected(database)) == 1
    assert accounts(database) == [(0, 1, 0, 0, 1), (1, 2, 2, 0, 0)]


def test_a_commit_whose_answer_is_lost_counts_once_with_its_outcome(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(database)
    whole = psycopg.Connection.pipeline

    @contextmanager
    def cut_after(connection: psycopg.Connection) -> Iterator[None]:
        with whole(connection):
            yield
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    planned = plan(batch(rows_of(1.0, 2.0), 1))
    with Writer(database.gateway, spool="one") as writer:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Connection, "pipeline", cut_after)
            with pytest.raises(Unavailable, match="server closed"):
                writer.write(planned)
        assert counts(writer.write(planned)) == [2, 0, 0, 0]
        assert counts(writer.write(plan(batch(rows_of(3.0, start=BEGIN + 9 * SECOND), 2)))) == [1, 0, 0, 0]
    assert accounts(database) == [(1, 3, 3, 0, 0)]


def test_a_commit_that_fails_leaves_nothing_behind_and_can_be_tried_again(database: Database) -> None:
    declare(database)
    refusal = Refusal(source=1, reject=Reject(reason=Reason.MALFORMED, detail="", raw=b"", received_at=BEGIN))
    planned = plan(batch(rows_of(1.0, 2.0), 1, (refusal,)))
    with psycopg.connect(database.admin, autocommit=True) as owner, Writer(database.gateway, spool="one") as writer:
        owner.execute(
            "CREATE FUNCTION public.too_late() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'refused at the end'; END $$"
        )
        owner.execute(
            "CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON fieldlab.reject DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION public.too_late()"
        )
        with pytest.raises(Unavailable, match="refused at the end"):
            writer.write(planned)
        assert (stored(database), rejected(database), accounts(database)) == ([], [], [])
        owner.execute("DROP TRIGGER at_the_end ON fieldlab.reject")
        assert counts(writer.write(planned)) == [2, 0, 0, 0]
    assert accounts(database) == [(0, 1, 0, 0, 1), (1, 2, 2, 0, 0)]


def test_a_spool_that_was_advanced_by_another_connection_is_not_counted_twice(database: Database) -> None:
    declare(database)
    planned = plan(batch(rows_of(1.0, 2.0), 1))
    with Writer(database.gateway, spool="one") as one, Writer(database.gateway, spool="one") as other:
        assert (one.written(), other.written()) == (0, 0)
        one.write(planned)
        with pytest.raises(Unavailable, match="written beyond"):
            other.write(planned)
        assert counts(other.write(planned)) == [0, 2, 0, 0]
    assert accounts(database) == [(1, 2, 2, 0, 0)]


def test_two_spools_that_hold_the_same_samples_store_them_once(database: Database) -> None:
    declare(database)
    with Writer(database.gateway, spool="one") as one, Writer(database.gateway, spool="two") as two:
        assert counts(one.write(plan(batch(rows_of(1.0, 2.0), 5)))) == [2, 0, 0, 0]
        assert counts(two.write(plan(batch(rows_of(2.0, 2.0, 3.0, start=BEGIN + SECOND), 1)))) == [2, 1, 0, 0]
        assert counts(two.write(plan(batch(rows_of(9.0), 2)))) == [0, 0, 1, 0]
        assert (one.written(), two.written()) == (5, 2)
    assert [reason for reason, *_ in rejected(database)] == ["conflict"]


def test_a_text_and_a_number_at_one_time_are_in_conflict(database: Database) -> None:
    declare(database)
    with Writer(database.gateway, spool="one") as writer:
        writer.write(plan(batch(rows_of("IDLE", None, 1.0), 1)))
        assert counts(writer.write(plan(batch(rows_of("IDLE", None, 1.0), 2)))) == [0, 3, 0, 0]
        assert counts(writer.write(plan(batch(rows_of("HELD", 0.0, "1.0"), 3)))) == [0, 0, 3, 0]
        assert counts(writer.write(plan(batch(rows_of("IDLE", None, 1.0, status=1), 4)))) == [0, 0, 3, 0]


def test_bad_rows_stored_rows_and_new_ones_in_one_batch_find_their_fates(database: Database) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("ALTER TABLE fieldlab.measurement ADD CONSTRAINT sane CHECK (value < 1000)")
    with Writer(database.gateway, spool="one") as writer:
        writer.write(plan(batch(rows_of(*map(float, range(20))), 1)))
        mixed = rows_of(*(float(at) if at % 7 else 5000.0 for at in range(40)))
        outcome = writer.write(plan(batch(mixed, 2)))
    known = [Fate.DUPLICATE if at % 7 else Fate.CONFLICT for at in range(20)]
    new = [Fate.STORED if at % 7 else Fate.REFUSED for at in range(20, 40)]
    assert outcome.fates.tolist() == known + new
    assert {(reason, count) for reason, _, _, _, count in rejected(database)} == {
        ("conflict", 3),
        ("refused_by_database", 3),
    }


def test_an_error_of_unknown_kind_is_blamed_on_a_row_only_when_others_are_taken(database: Database) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.value = 13 THEN RAISE EXCEPTION 'bad luck' USING ERRCODE = 'XX000'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON fieldlab.measurement FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with Writer(database.gateway, spool="one") as writer:
        assert counts(writer.write(plan(batch(rows_of(*map(float, range(20))), 1)))) == [19, 0, 0, 1]
        with pytest.raises(Unavailable, match="bad luck"):
            writer.write(plan(batch(rows_of(13.0, start=BEGIN + 99 * SECOND), 2)))
        assert writer.written() == 1
    assert [detail for _, detail, *_ in rejected(database)] == ["The database refuses this row: bad luck."]


def test_rows_of_many_days_are_looked_up_as_fast_as_those_of_one(database: Database) -> None:
    rows = rows_of(*map(float, range(2000)))
    wide = replace(rows, times=BEGIN + np.arange(2000) // 20 * 86_400 * SECOND + np.arange(2000) % 20)
    with Writer(database.gateway, spool="one") as writer:
        writer.write(plan(batch(wide, 1)))

        def seconds(batch_number: int) -> float:
            begin = time.monotonic()
            assert counts(writer.write(plan(batch(wide, batch_number)))) == [0, 2000, 0, 0]
            return time.monotonic() - begin

        assert any(seconds(2 + again) < 3 for again in range(10))


def test_a_database_that_is_not_there_is_unavailable_and_nothing_more(tmp_path: Path) -> None:
    with Writer(f"postgresql://nobody:secret@/none?host={tmp_path}", spool="one") as writer:
        with pytest.raises(Unavailable) as told:
            writer.written()
        with pytest.raises(Unavailable):
            writer.write(plan(batch(rows_of(1.0), 1)))
    assert "secret" not in str(told.value)


def test_what_waits_behind_a_batch_and_what_it_stored_are_told(database: Database) -> None:
    declare(database)
    with psycopg.connect(database.admin, autocommit=True) as listener:
        listener.execute("LISTEN fieldlab_measurements")
        with Writer(database.gateway, spool="one") as writer:
            writer.write(plan(batch(rows_of(1.0, 2.0), 1)), [Backlog(source=1, samples=7, oldest=BEGIN)])
            writer.write(plan(batch(rows_of(), 2)), [Backlog(source=1, samples=0, oldest=None)])
        told = [notice.payload for notice in listener.notifies(timeout=0.5)]
        waiting = listener.execute("SELECT source_id, samples, oldest FROM fieldlab.waiting").fetchall()
    assert told == [""], "whoever may connect may listen, so it says that something came, and not what"
    assert waiting == [(1, 0, None)]
