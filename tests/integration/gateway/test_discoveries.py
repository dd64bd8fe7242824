"""What happens to samples whose address nobody has bound yet, and to those whose time cannot be right."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.ports import Delivery
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.readings.origin import Origin
from fieldlab.readings.samples import Samples
from gateway.bind import Discipline
from gateway.limits import Limits
from tests.integration.gateway.wire import START, accounts, declare, gateway, rejected, samples, stored, until
from tests.servers.database import Database


def bind(database: Database, address: str, stream: int) -> None:
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.binding (source_id, address, stream_id) SELECT id, %s, %s FROM fieldlab.source",
            [address, stream],
        )


def discovered(database: Database) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute(
            "SELECT address, kind, value, text, samples FROM fieldlab.discovery ORDER BY address"
        ).fetchall()


async def noted(database: Database, count: int) -> None:
    await until(lambda: sum(row[4] for row in discovered(database)) == count)


async def test_samples_at_an_unbound_address_are_held_and_stored_when_it_is_bound(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, 2.0, address="new"))
        running.wires["mqtt"].hand_over(samples("IDLE", address="state"))
        health = await running.settled(waiting=3)
        assert (health["stored"], health["rejected"]) == (0, 0)
        await noted(database, 3)
        assert discovered(database) == [("new", "number", 2.0, None, 2), ("state", "text", None, "IDLE", 1)]
        bind(database, "new", streams["number"])
        health = await running.settled(waiting=1)
        assert (health["stored"], health["rejected"]) == (2, 0)
    assert [row[:3] for row in stored(database)] == [(streams["number"], 0, 1.0), (streams["number"], 1, 2.0)]
    assert accounts(database) == [(streams["number"], 2, 2, 0, 0)]


async def test_what_is_held_outlives_the_process_and_is_held_once(database: Database, tmp_path: Path) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, 2.0, address="new"))
        await running.settled(waiting=2)
    bind(database, "new", streams["number"])
    async with gateway(database.gateway, tmp_path) as running:
        health = await running.settled()
        assert (health["stored"], health["duplicates"]) == (2, 0)


async def test_more_than_is_held_is_rejected_and_can_be_released_once_it_is_bound(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(held_samples=5)) as running:
        for at in range(4):
            running.wires["mqtt"].hand_over(samples(1.0, float("nan"), address="new", start=START + at * 2 * SECOND))
            health = await running.settled(waiting=min(2 * (at + 1), 4))
        assert (health["stored"], health["rejected"], health["waiting"]) == (0, 4, 4)
        assert [(reason, count) for reason, *_, count in rejected(database)] == [("unbound", 2)] * 2
        bind(database, "new", streams["number"])
        health = await running.settled()
        assert health["stored"] == 4
    with psycopg.connect(database.admin) as connection:
        connection.execute("SELECT fieldlab.release(id, 'somebody') FROM fieldlab.reject")
    assert [str(row[2]) for row in stored(database)] == ["1.0", "nan"] * 4
    assert accounts(database) == [(0, 0, 0, 0, 0), (streams["number"], 8, 8, 0, 0)]


async def test_what_nobody_binds_in_time_is_rejected_with_its_values(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pump._TRIM_EVERY", 0.05)
    declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(held_age=0.0)) as running:
        running.wires["mqtt"].hand_over(samples(7.5, address="new"))
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (0, 1)
    ((reason, detail, raw, address, count),) = rejected(database)
    assert (reason, address, count) == ("unbound", "new", 1)
    assert "nobody bound it in time" in detail
    assert b'"value": 7.5' in raw


async def test_a_quarantined_sample_can_be_released_as_it_was(database: Database, tmp_path: Path) -> None:
    streams = declare(database, nature="simulated")
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(float("inf"), -1.5, start=Instant.now() + 60 * MINUTE))
        running.wires["mqtt"].hand_over(samples("EXECUTE", address="text", start=0))
        await running.settled()
    assert [(reason, count) for reason, *_, count in rejected(database)] == [("too_far_in_future", 2), ("too_late", 1)]
    with psycopg.connect(database.admin) as connection:
        released = connection.execute("SELECT fieldlab.release(id, 'somebody') FROM fieldlab.reject").fetchall()
        assert sorted(released) == [(1,), (2,)]
    with psycopg.connect(database.admin) as connection, pytest.raises(psycopg.errors.NoDataFound):
        connection.execute("SELECT fieldlab.release(id, 'somebody') FROM fieldlab.reject LIMIT 1")
    rows = stored(database)
    assert [(row[0], row[2], row[3], row[4] % 65536, row[5]) for row in rows] == [
        (streams["number"], float("inf"), None, 0x803C, Origin.SIMULATED),
        (streams["number"], -1.5, None, 0, Origin.SIMULATED),
        (streams["text"], None, "EXECUTE", 0, Origin.SIMULATED),
    ]
    assert accounts(database) == [(streams["number"], 2, 2, 0, 0), (streams["text"], 1, 1, 0, 0)]


async def test_live_samples_later_than_their_stream_allows_are_quarantined_and_history_is_not(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("UPDATE fieldlab.stream SET lateness = '10 minutes' WHERE name = 'number'")
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0))
        running.wires["mqtt"].hand_over(samples(2.0, origin=Origin.HISTORY.value))
        running.wires["mqtt"].hand_over(samples(3.0, start=Instant.now()))
        running.wires["mqtt"].hand_over(samples("late", address="text"))
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (3, 1)
    assert [row[2:4] for row in stored(database) if row[0] == streams["number"]] == [(2.0, None), (3.0, None)]


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (0, "too_late"),
        (4_294_967_296 * SECOND, "too_far_in_future"),
        (253_402_300_800 * SECOND, "invalid_time"),
        (-62_135_596_800 * SECOND - 1, "invalid_time"),
        (2**63, "invalid_time"),
        (-(2**80), "invalid_time"),
    ],
    ids=["1970", "2106", "year 10000", "year 0", "2^63", "-2^80"],
)
async def test_an_impossible_time_is_a_reject_and_its_neighbours_are_stored(
    database: Database, tmp_path: Path, time: int, reason: str
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path, limits=Limits(discipline=Discipline())) as running:
        running.wires["mqtt"].hand_over(
            Samples.joined([samples(1.0), samples(2.0, start=time), samples(3.0, start=START + SECOND)])
        )
        health = await running.settled()
        assert (health["stored"], health["rejected"]) == (2, 1)
    assert [row[0] for row in rejected(database)] == [reason]


async def test_a_stream_that_is_deleted_while_its_samples_wait_leaves_them_waiting_for_another(
    database: Database, tmp_path: Path
) -> None:
    streams = declare(database)
    with psycopg.connect(database.admin) as connection:
        connection.execute("DELETE FROM fieldlab.binding WHERE address = 'number'")
        connection.execute("DELETE FROM fieldlab.tenure WHERE stream_id = %s", [streams["number"]])
        connection.execute("DELETE FROM fieldlab.stream WHERE id = %s", [streams["number"]])
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0))
        running.wires["mqtt"].hand_over(samples("IDLE", address="text"))
        health = await running.settled(waiting=1)
        assert (health["stored"], health["rejected"]) == (1, 0)


async def test_a_source_that_is_deleted_while_its_samples_wait_leaves_its_name_with_the_rejects(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(1.0, start=0))
        await running.settled()
        with psycopg.connect(database.admin) as connection:
            connection.execute("DELETE FROM fieldlab.binding")
            connection.execute("DELETE FROM fieldlab.source")
        await until(lambda: running.wires["mqtt"].cancelled)
    with psycopg.connect(database.admin) as connection:
        assert connection.execute("SELECT source_id, source, reason FROM fieldlab.reject").fetchall() == [
            (None, "mqtt", "too_late")
        ]


def told(database: Database) -> dict[str, tuple[Any, ...]]:
    with psycopg.connect(database.admin) as connection:
        return {
            address: tuple(rest)
            for address, *rest in connection.execute(
                "SELECT address, kind, unit, value, samples::integer FROM fieldlab.discovery"
            ).fetchall()
        }


async def test_what_a_source_says_of_its_addresses_stands_with_the_discoveries(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        wire = running.wires["mqtt"]
        described = (
            Description(address="motor", kind=Kind.NUMBER, unit="A"),
            Description(address="door", kind=Kind.BOOLEAN),
            Description(address="silent", kind=Kind.TEXT, unit="1"),
            Description(address="number", unit="W"),
        )
        wire.hand_over(Delivery(samples=samples(1.5, address="motor"), described=described))
        wire.hand_over(samples(1.0, address="door"))
        await until(lambda: len(told(database)) == 3 and told(database)["door"][3] == 1)
        assert told(database) == {
            "motor": ("number", "A", 1.5, 1),
            "door": ("boolean", None, 1.0, 1),
            "silent": ("text", "1", None, 0),
        }, "what is bound is no discovery"
        wire.hand_over(samples(2.5, address="motor"))
        wire.hand_over(Delivery(samples=Samples(), described=(Description(address="motor", unit="mA"),)))
        await until(lambda: told(database)["motor"] == ("number", "mA", 2.5, 2))


def words(database: Database) -> dict[str, tuple[Any, ...]]:
    with psycopg.connect(database.admin) as connection:
        return {
            address: tuple(rest)
            for address, *rest in connection.execute(
                "SELECT address, quantity, description, semantic_id, low, high FROM fieldlab.discovery"
            ).fetchall()
        }


async def test_what_a_source_says_an_address_is_stands_there_and_its_unit_says_what_it_does_not(
    database: Database, tmp_path: Path
) -> None:
    declare(database)
    async with gateway(database.gateway, tmp_path) as running:
        wire = running.wires["mqtt"]
        described = (
            Description(
                address="hot", unit="Cel", text="Hot\0end", semantic_id="0112/2///61987#ABA565#007", high=300.0
            ),
            Description(address="motor", unit="kW", quantity="active power", low=0.0, high=7.5),
            Description(address="count", unit="1"),
        )
        wire.hand_over(Delivery(samples=Samples(), described=described))
        await until(lambda: len(words(database)) == 3)
        assert words(database) == {
            "hot": ("temperature", "Hot\u2400end", "0112/2///61987#ABA565#007", None, 300.0),
            "motor": ("active power", None, None, 0.0, 7.5),
            "count": (None, None, None, None, None),
        }
        wire.hand_over(Delivery(samples=Samples(), described=(Description(address="motor", text="Main drive"),)))
        await until(lambda: words(database)["motor"] == ("active power", "Main drive", None, 0.0, 7.5))


async def test_a_kind_and_unit_that_were_told_outlive_the_process(database: Database, tmp_path: Path) -> None:
    declare(database)
    described = (Description(address="door", kind=Kind.BOOLEAN, unit="1"),)
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(Delivery(samples=samples(1.0, address="door"), described=described))
        await until(lambda: "door" in told(database))
    async with gateway(database.gateway, tmp_path) as running:
        running.wires["mqtt"].hand_over(samples(0.0, address="door", start=START + SECOND))
        await until(lambda: told(database)["door"] == ("boolean", "1", 0.0, 2))
        running.wires["mqtt"].hand_over(samples(0.5, address="door", start=START + 2 * SECOND))
        await until(lambda: told(database)["door"] == ("number", "1", 0.5, 3))
