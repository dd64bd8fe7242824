"""What the spool promises: what it took survives, in order; what it cannot take it says, and loses nothing."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.readings.instant import Instant
from fieldlab.storage.spool import Entry, Held, Spool
from gateway.admission import admit
from gateway.process import run

NOW = Instant.parse("2026-11-22T08:00:00Z")


def entry(body: bytes = b"body", *, source: int = 1, size: int = 10) -> Entry:
    return Entry(source=source, received_at=NOW, size=size, body=body)


def bodies(spool: Spool, after: int = 0) -> list[bytes]:
    return [found.body for found in spool.read(after=after, size=10**9, most_bytes=10**9)]


def held(body: bytes, *, batch: int) -> Held:
    return Held(batch=batch, source=1, address="a", received_at=NOW, size=2, body=body)


def test_entries_come_out_in_order_behind_any_number(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        first = spool.append([entry(b"1"), entry(b"2")], now=NOW)
        second = spool.append([entry(b"3")], now=NOW)
        assert bodies(spool) == [b"1", b"2", b"3"]
        assert bodies(spool, after=first[0]) == [b"2", b"3"]
        spool.trim(until=first[1])
        assert bodies(spool) == [b"3"]
        assert [one.id for one in spool.read(after=0, size=1, most_bytes=1)] == second


def test_a_reading_is_bounded_by_samples_and_bytes_but_gives_one_entry_at_least(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append([entry(b"x" * 100, size=10) for _ in range(10)], now=NOW)
        assert len(spool.read(after=0, size=35, most_bytes=10**9)) == 3
        assert len(spool.read(after=0, size=10**9, most_bytes=250)) == 2
        assert len(spool.read(after=0, size=1, most_bytes=1)) == 1


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from tests.integration.gateway.test_spool import NOW, Spool, entry
spool = Spool(Path({str(tmp_path)!r})).__enter__()
for number in range(100):
    spool.append([entry(str(number).encode())], now=NOW, heard={{1: NOW}})
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with Spool(tmp_path) as spool:
        assert bodies(spool) == [str(number).encode() for number in range(100)]
        assert spool.waiting() == {1: 1000}
        assert spool.heard() == {1: NOW}


def test_numbers_only_ever_grow_even_when_the_clock_goes_back_or_nothing_is_left(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        (first,) = spool.append([entry()], now=NOW)
        spool.trim(until=first)
    with Spool(tmp_path) as spool:
        (second,) = spool.append([entry()], now=Instant(0))
        assert second > first
        spool.catch_up(written=second + 1000)
        assert spool.append([entry()], now=Instant(0))[0] > second + 1000


def test_an_old_copy_that_is_restored_does_not_reuse_the_numbers_it_has_forgotten(tmp_path: Path) -> None:
    with Spool(tmp_path / "one") as spool:
        spool.append([entry(b"old")], now=NOW)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    with Spool(tmp_path / "one") as spool:
        written = spool.append([entry(b"written since")], now=Instant(NOW + 10))[0]
    with Spool(tmp_path / "copy") as spool:
        new = spool.append([entry(b"new")], now=Instant(NOW + 20))[0]
        assert new > written
        spool.catch_up(written=written)
        assert bodies(spool) == [b"new"]


def test_a_full_disk_takes_nothing_half_and_is_told_and_gives_way_when_entries_are_written(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        ids = [spool.append([entry(b"x" * 50_000)], now=NOW)[0] for _ in range(20)]
        (pages,) = spool._open.execute("PRAGMA page_count").fetchone()
        spool._open.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Unavailable, match="full"):
            spool.append([entry(b"small"), entry(b"y" * 100_000)], now=NOW)
        assert len(bodies(spool)) == 20
        spool.trim(until=ids[9])
        assert spool.append([entry(b"y" * 100_000)], now=NOW)
        assert len(bodies(spool)) == 11


def test_the_bytes_that_are_used_fall_when_entries_are_written(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        empty = spool.bytes()
        last = spool.append([entry(b"x" * 50_000) for _ in range(20)], now=NOW)[-1]
        assert spool.bytes() - empty > 1_000_000
        spool.trim(until=last)
        assert spool.bytes() - empty < 100_000


def test_a_directory_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettings, match=r"FIELDLAB_GATEWAY_DIRECTORY.*file"), Spool(tmp_path / "file"):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "spool.sqlite").write_bytes(b"not a spool" * 1000)
    with pytest.raises(InvalidSettings, match="not a database"), Spool(tmp_path / "other"):
        pass


def test_a_read_only_directory_is_named_with_its_setting() -> None:
    with pytest.raises(InvalidSettings, match="FIELDLAB_GATEWAY_DIRECTORY"), Spool(Path("/proc/fieldlab")):
        pass


def test_a_spool_in_use_is_not_opened_twice_and_is_free_after_a_failure(tmp_path: Path) -> None:
    with Spool(tmp_path), pytest.raises(InvalidSettings, match="another gateway"), Spool(tmp_path):
        pass
    with Spool(tmp_path) as spool:
        assert bodies(spool) == []


def test_what_is_held_belongs_to_its_batch_until_that_is_written(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        first, second = (spool.append([entry()], now=NOW)[0] for _ in range(2))
        spool.hold([held(b"1", batch=first), held(b"2", batch=second)])
        assert [one.body for one in spool.held_at(source=1, address="a", written=first, most=10)] == [b"1"]
        assert spool.waiting() == {1: 24}
        assert spool.catch_up(written=first) == {1: 12}
        assert [one.body for one in spool.held_at(source=1, address="a", written=second, most=10)] == [b"1"]
        (piece,) = spool.held_at(source=1, address="a", written=second, most=10)
        spool.return_held([piece.id], [entry(b"back")], now=NOW)
        assert spool.held() == {}
        assert bodies(spool)[-1] == b"back"


def test_what_is_held_stays_when_a_database_comes_back_without_its_batch(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        trimmed, left = (spool.append([entry()], now=NOW)[0] for _ in range(2))
        spool.hold([held(b"once", batch=trimmed), held(b"comes again", batch=left)])
        spool.trim(until=trimmed)
        assert spool.catch_up(written=0) == {1: 2}
        assert [one.body for one in spool.held_at(source=1, address="a", written=left, most=10)] == [b"once"]


async def test_a_gateway_refuses_to_start_on_what_a_later_version_left_and_keeps_it(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        admit(spool)
        spool.append([entry(b"of the future", size=3)], now=NOW)
        admit(spool)
        spool.keep("format", "99")
    url = "postgresql://fieldlab_gateway@127.0.0.1:1/fieldlab"
    with pytest.raises(InvalidSettings, match="left 3 samples in the spool"):
        await run(database_url=url, directory=tmp_path, stop=asyncio.Event(), port=0)
    with Spool(tmp_path) as spool:
        assert bodies(spool) == [b"of the future"]
        spool.trim(until=spool.last)
        admit(spool)
        assert spool.note("format") == "2", "an empty spool is anyone's"
