"""What the ingest process promises: every sample ends stored, rejected or waiting, and its source is told when."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fieldlab.errors import ExcessRights, InvalidSettings
from fieldlab.ports import Delivery
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Clock, Origin
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from gateway.bind import Bindings, Bound, Discipline, bind
from gateway.block import Block
from gateway.limits import Limits
from tests.integration.gateway.wire import START, Wires, accounts, declare, gateway, rejected, samples, stored, until
from tests.servers.database import Database


@contextmanager
def locked(database: Database) -> Iterator[psycopg.Connection]:
    """Hold every write of measurements back, until the connection rolls back."""
    with psycopg.connect(database.admin) as blocker:
        blocker.execute("LOCK fieldlab.measurement IN ACCESS EXCLUSIVE MODE")
        yield blocker
        blocker.rollback()


@contextmanager
def away(database: Database) -> Iterator[None]:
    """Let no gateway into the database."""
    limit = SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
    with psycopg.connect(database.admin, autocommit=True) as connection:
        connection.execute(limit.format(Identifier(database.name), 0))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'fieldlab_gateway'"
        )
        try:
            yield
        finally:
            connection.execute(limit.format(Identifier(database.name), -1))


async def test_what_is_handed_over_is_stored_and_counted(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.5, 2.5))
        running.wires["mqtt"].hand_over(samples("EXECUTE", address="text"))
        running.wires["mqtt"].hand_over(samples(1.0, address="boolean"))
        health = await running.settled()
        assert running.wires["mqtt"].safe == [0, 1, 2]
        assert stored(database) == [
            (streams["number"], 0, 1.5, None, 0, 0),
            (streams["number"], 1, 2.5, None, 0, 0),
            (streams["boolean"], 0, 1.0, None, 0, 0),
            (streams["text"], 0, None, "EXECUTE", 0, 0),
        ]
        assert (health["stored"], health["rejected"], health["waiting"]) == (4, 0, 0)
    assert accounts(database) == [
        (streams["number"], 2, 2, 0, 0),
        (streams["boolean"], 1, 1, 0, 0),
        (streams["text"], 1, 1, 0, 0),
    ]


async def test_live_samples_of_a_simulated_machine_are_marked_and_keep_their_clock(
    database: Database, tmp_path: Path
) -> None:
    declare(database, nature="simulated")
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, origin=Clock.RECEIPT.value))
        running.wires["mqtt"].hand_over(samples(2.0, start=START + SECOND, origin=Origin.HISTORY.value))
        await running.settled()
    assert [row[5] for row in stored(database)] == [Origin.SIMULATED | Clock.RECEIPT, Origin.HISTORY]


async def test_whatever_a_recording_plays_is_marked_as_a_replay(database: Database, tmp_path: Path) -> None:
    declare(database, nature="replay")
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, origin=Clock.RECEIPT.value))
        running.wires["mqtt"].hand_over(samples(2.0, start=START + SECOND, origin=Origin.HISTORY.value))
        await running.settled()
    assert [row[5] for row in stored(database)] == [Origin.REPLAY | Clock.RECEIPT, Origin.REPLAY]


async def test_the_same_samples_again_are_duplicates_and_change_nothing(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        for _ in range(3):
            running.wires["mqtt"].hand_over(samples(1.0, 2.0, float("nan")))
            health = await running.settled()
        assert (health["stored"], health["duplicates"], health["conflicts"]) == (3, 6, 0)
    assert len(stored(database)) == 3
    assert rejected(database) == []
    assert accounts(database) == [(streams["number"], 9, 3, 6, 0)]


async def test_another_value_at_a_known_time_is_a_reject_and_the_first_stays(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, 2.0))
        await running.settled()
        running.wires["mqtt"].hand_over(samples(1.0, 9.0, 3.0))
        running.wires["mqtt"].hand_over(Samples.joined([samples(4.0, start=START + 9 * SECOND)] * 2))
        running.wires["mqtt"].hand_over(
            Samples.joined([samples(5.0, start=START + 10 * SECOND), samples(6.0, start=START + 10 * SECOND)])
        )
        health = await running.settled()
        assert (health["stored"], health["duplicates"], health["rejected"]) == (5, 2, 2)
    assert [(row[0], row[2]) for row in stored(database)] == [
        (streams["number"], value) for value in (1.0, 2.0, 3.0, 4.0, 5.0)
    ]
    kept = rejected(database)
    assert {(reason, address) for reason, _, _, address, _ in kept} == {("conflict", "number")}
    assert sum(count for *_, count in kept) == 2
    assert b'"value": 9.0' in b"".join(raw for _, _, raw, _, _ in kept)
    assert accounts(database) == [(streams["number"], 9, 5, 2, 2)]


async def test_what_cannot_be_a_measurement_is_kept_with_a_reason_and_the_rest_is_stored(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(
            Delivery(
                samples=Samples.joined(
                    [
                        samples(1.0),
                        samples("3.9", "4.9", start=START + SECOND),
                        samples(7.0, address="text"),
                        samples(0.5, address="boolean"),
                        samples(1.0, start=START + 36_000 * SECOND),
                        samples(1.0, start=2**63 - 1),
                        samples(1.0, start=2**70),
                        samples(1.0, start=0),
                        samples("a\0b", address="text"),
                        samples("\ud800", address="text", start=START + SECOND),
                    ]
                ),
                rejects=(
                    Reject(
                        reason=Reason.MALFORMED, detail="Not JSON at byte 0.", raw=b"\xff\x00{", received_at=Instant(0)
                    ),
                ),
            )
        )
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (1, 11)
        assert 'fieldlab_samples_rejected_total{reason="wrong_type",source="mqtt"} 6.0' in await running.metrics()
    kept = rejected(database)
    found = {(reason, address): detail for reason, detail, _, address, _ in kept}
    assert "as a JSON number" in found["wrong_type", "number"]
    assert "true or false" in found["wrong_type", "boolean"]
    assert {reason for reason, _ in found} == {
        *("malformed", "wrong_type", "invalid_time", "too_far_in_future", "too_late")
    }
    assert b"\xff\x00{" in [raw for _, _, raw, _, _ in kept]
    quoted = next(row for row in kept if "JSON number" in row[1])
    assert quoted[4] == 2
    assert [line.split(b'"value": ')[1][:5] for line in quoted[2].splitlines()] == [b'"3.9"', b'"4.9"']
    assert sum(row[1] for row in accounts(database)) == 12


async def test_a_row_that_the_database_refuses_is_found_and_kept_and_its_neighbours_are_stored(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("ALTER TABLE fieldlab.measurement ADD CONSTRAINT sane CHECK (value < 1000)")
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(*range(900), 5000.0, *range(90)))
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (990, 1)
    assert [(reason, "sane" in detail) for reason, detail, *_ in rejected(database)] == [("refused_by_database", True)]


async def test_a_payload_of_ten_megabytes_is_kept_whole_and_holds_nothing_up(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    huge = Reject(reason=Reason.MALFORMED, detail="Too long.", raw=b"x" * 10_000_000, received_at=Instant.now())
    async with gateway(database.gateway, tmp_path) as running:
        for at in range(4):
            running.wires["mqtt"].hand_over(
                Delivery(samples=samples(float(at), start=START + at * SECOND), rejects=(huge,))
            )
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (4, 4)
    assert [len(raw) for _, _, raw, *_ in rejected(database)] == [10_000_000] * 4


async def test_a_delivery_larger_than_a_batch_is_written_in_several(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(batch=100)) as running:
        running.wires["mqtt"].hand_over(samples(*map(float, range(950)), step=1000))
        running.wires["mqtt"].hand_over(samples(*map(float, range(950)), step=1000))
        health = await running.settled()
        assert (health["stored"], health["duplicates"]) == (950, 950)
    assert accounts(database) == [(streams["number"], 1900, 950, 950, 0)]


async def test_a_delivery_that_does_not_fit_together_is_kept_and_holds_nothing_up(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    uneven = samples(1.0, 2.0, 3.0)
    uneven.values.pop()
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(4.0, start=START + 4 * SECOND))
        running.wires["mqtt"].hand_over(uneven)
        running.wires["mqtt"].hand_over(samples(5.0, start=START + 5 * SECOND))
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (2, 3)
    assert [(reason, count) for reason, *_, count in rejected(database)] == [("malformed", 3)]


async def test_a_record_that_nobody_thought_of_becomes_a_reject_and_its_neighbours_are_stored(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(database)

    def bind_but_not_thirteen(block: Block, bindings: Bindings, *, discipline: Discipline) -> Bound:
        if 13.0 in block.values:
            raise ZeroDivisionError
        return bind(block, bindings, discipline=discipline)

    monkeypatch.setattr("gateway.batches.bind", bind_but_not_thirteen)
    async with gateway(database.gateway, tmp_path, limits=Limits(group=1, linger=0)) as running:
        for value in (12.0, 13.0, 14.0):
            running.wires["mqtt"].hand_over(samples(value, start=START + int(value) * SECOND))
        health = await running.settled()
    assert health["stored"] + health["rejected"] == 3
    assert 13.0 not in [row[2] for row in stored(database)]
    assert [(reason, "could not work on" in detail) for reason, detail, *_ in rejected(database)] == [
        ("malformed", True)
    ]


async def test_a_clock_that_goes_back_loses_nothing(database: Database, tmp_path: Path) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(3.0, 2.0, 1.0, start=START + 9 * SECOND, step=-SECOND))
        await running.settled()
    assert [row[1:3] for row in stored(database)] == [(7, 1.0), (8, 2.0), (9, 3.0)]


async def test_gaps_are_noted_for_the_streams_that_they_concern(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    gap = Gap(start=START, until=Instant(START + SECOND), cause=Cause.SESSION_LOST)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(
            Delivery(
                samples=Samples(),
                gaps=(
                    gap,
                    gap,
                    Gap(start=START, until=START, cause=Cause.SESSION_LOST),
                    Gap(start=START, until=gap.until, cause=Cause.QUEUE_OVERFLOW, addresses=("text", "unknown")),
                ),
            )
        )
        await running.settled()
    with psycopg.connect(database.admin) as connection:
        noted = connection.execute("SELECT stream_id, cause FROM fieldlab.gap").fetchall()
    assert sorted(noted) == sorted(
        [*((stream, "session_lost") for stream in streams.values()), (streams["text"], "queue_overflow")]
    )


async def test_a_gap_that_is_mended_is_closed_with_the_number_recovered_and_others_stay_open(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    gap = Gap(start=START, until=Instant(START + SECOND), cause=Cause.SOURCE_UNREACHABLE)
    mended = replace(gap, addresses=("text",), recovered=7)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(Delivery(samples=Samples(), gaps=(gap,)))
        running.wires["mqtt"].hand_over(Delivery(samples=Samples(), gaps=(mended, mended)))
        await running.settled()
    with psycopg.connect(database.admin) as connection:
        noted = connection.execute("SELECT stream_id, recovered, closed_at IS NOT NULL FROM fieldlab.gap").fetchall()
    assert sorted(noted) == sorted(
        (stream, 7 if name == "text" else None, name == "text") for name, stream in streams.items()
    )


async def test_bindings_and_sources_that_change_are_followed_at_once(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        first = running.wires["mqtt"]
        assert first.watched == {"number", "boolean", "text"}
        with psycopg.connect(database.admin) as connection:
            connection.execute(
                "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
                " SELECT id, 'new', %s FROM fieldlab.source",
                [streams["number"]],
            )
        await until(lambda: "new" in first.watched)
        first.hand_over(samples(4.0, address="new"))
        await running.settled()
        with psycopg.connect(database.admin) as connection:
            connection.execute("UPDATE fieldlab.source SET url = 'mqtt://elsewhere'")
            connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('robot', 'opcua', 'opc.tcp://x')")
        await until(lambda: "robot" in running.wires.built and len(running.wires.built["mqtt"]) == 2)
        assert first.cancelled
        assert running.wires["mqtt"].source.url == "mqtt://elsewhere"
        assert running.wires["mqtt"].heard_until is not None
        with psycopg.connect(database.admin) as connection:
            connection.execute("DELETE FROM fieldlab.source WHERE slug = 'robot'")
        await until(lambda: running.wires["robot"].cancelled)
    assert [row[2] for row in stored(database)] == [4.0]


async def test_a_wrong_configuration_of_one_source_leaves_the_others_running(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('robot', 'opcua', 'nonsense')")
    wires = Wires(refuse={"robot": InvalidSettings("Source robot: url is not of the form opc.tcp://host:4840.")})
    async with gateway(database.gateway, tmp_path, wires=wires) as running:
        running.wires["mqtt"].hand_over(samples(1.0))
        health = await running.settled()
        assert health["sources"]["mqtt"]["state"] == "connected"
        assert health["sources"]["robot"]["state"] == "misconfigured"
        assert "opc.tcp://host" in health["sources"]["robot"]["message"]
        wires.refuse.clear()
        with psycopg.connect(database.admin) as connection:
            connection.execute("UPDATE fieldlab.source SET url = 'opc.tcp://right' WHERE slug = 'robot'")
        await until(lambda: "robot" in wires.built and wires["robot"].connected)
        assert (await running.health())[1]["sources"]["robot"]["state"] == "connected"


async def test_a_full_spool_makes_the_sources_wait_and_loses_nothing(database: Database, tmp_path: Path) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(batch=50, pending=100, spool=64 * 1024)) as running:
        with locked(database):
            for at in range(400):
                running.wires["mqtt"].hand_over(samples(*range(10), start=START + at * SECOND, step=SECOND // 10))
            await until(lambda: len(running.wires["mqtt"].safe) > 10)
            status, health = await running.shows(lambda health: health["spool_fault"] is not None)
            assert (status, health["spool_fault"][:17]) == (503, "The spool is full")
            assert 64 * 1024 <= health["spool_bytes"] < 128 * 1024
            assert running.wires["mqtt"].queue.qsize() > 100
        health = await running.settled()
        assert (health["stored"], health["spool_fault"]) == (4000, None)
    assert len(stored(database)) == 4000


async def test_an_outage_of_the_database_delays_samples_and_loses_none(database: Database, tmp_path: Path) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(outage=0.0)) as running:
        running.wires["mqtt"].hand_over(samples(1.0))
        await running.settled()
        with away(database):
            running.wires["mqtt"].hand_over(samples(2.0, start=START + SECOND))
            await until(lambda: running.wires["mqtt"].safe == [0, 1])
            await running.shows(lambda health: health["database"] == "unreachable")
            await asyncio.sleep(0.1)
            status, health = await running.health()
            assert (status, health["waiting"]) == (503, 1)
            assert health["sources"]["mqtt"]["oldest_waiting"] >= 0.1
            assert 'fieldlab_oldest_waiting_seconds{source="mqtt"}' in await running.metrics()
        health = await running.settled()
        assert health["sources"]["mqtt"]["oldest_waiting"] is None
        assert (health["status"], health["stored"], health["waiting"]) == ("ok", 2, 0)


async def test_a_gateway_that_starts_while_the_database_is_away_takes_in_what_it_knew(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path):
        pass
    with away(database):
        async with gateway(database.gateway, tmp_path) as running:
            assert running.wires["mqtt"].watched == {"number", "boolean", "text"}
            running.wires["mqtt"].hand_over(samples(1.0, 2.0))
            health = await running.settled(waiting=2)
            assert health["database"] == "unreachable"
        async with gateway(database.gateway, tmp_path) as running:
            assert (await running.health())[1]["sources"]["mqtt"]["oldest_waiting"] > 0
    assert stored(database) == []
    async with gateway(database.gateway, tmp_path) as running:
        health = await running.settled()
        assert (health["stored"], health["duplicates"]) == (2, 0)


async def test_what_was_safe_and_not_written_is_written_by_the_next_process_once(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(drain=0.1)) as running:
        running.wires["mqtt"].hand_over(samples(1.0))
        await running.settled()
        with locked(database) as blocker:
            running.wires["mqtt"].hand_over(samples(2.0, 3.0, start=START + SECOND))
            await until(lambda: running.wires["mqtt"].safe == [0, 1])
            running.stop.set()
            await asyncio.sleep(0.5)
            blocker.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = 'fieldlab_gateway'"
            )
    assert len(stored(database)) == 1
    async with gateway(database.gateway, tmp_path) as running:
        health = await running.settled()
        assert (health["stored"], health["duplicates"]) == (2, 0)
        assert running.wires["mqtt"].heard_until is not None
    assert accounts(database) == [(streams["number"], 3, 3, 0, 0)]


async def test_a_stop_makes_safe_and_writes_what_has_arrived_before_the_sources_are_closed(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    wires = Wires()
    async with gateway(database.gateway, tmp_path, wires=wires) as running:
        wires["mqtt"].hand_over(samples(1.0, 2.0))
        await until(wires["mqtt"].queue.empty)
        running.stop.set()
    assert wires["mqtt"].safe == [0]
    assert wires["mqtt"].cancelled
    assert len(stored(database)) == 2


async def test_a_gateway_with_more_rights_than_it_needs_does_not_start(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ExcessRights, match=r"superuser.*Connect as fieldlab_gateway"):
        async with gateway(database.admin, tmp_path):
            pass


async def test_a_port_in_use_is_named_with_the_setting_that_changes_it(database: Database, tmp_path: Path) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        port = int(running.url.rpartition(":")[2])
        with pytest.raises(InvalidSettings, match=rf"{port}.*FIELDLAB_GATEWAY_PORT"):
            async with gateway(database.gateway, tmp_path / "other", port=port):
                pass


async def test_a_second_gateway_in_the_same_directory_is_refused(database: Database, tmp_path: Path) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path):
        with pytest.raises(InvalidSettings, match=r"FIELDLAB_GATEWAY_DIRECTORY: another gateway"):
            async with gateway(database.gateway, tmp_path):
                pass
