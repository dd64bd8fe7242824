"""What could not become a measurement still belongs to whoever owned the machine at its time, not when it arrived."""

import json

import psycopg
import pytest

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.ownership.floor import CURRENT, MONDAY, TUESDAY, WEDNESDAY, Floor


def refuse(floor: Floor, times: list[Instant], *, received_at: Instant, readable: bool = True) -> None:
    """Keep a reject as the gateway does: one row for the samples of one address in one batch."""
    raw = "\n".join(json.dumps({"time": str(time), "value": 42.0, "status": 0, "origin": 0}) for time in times)
    with psycopg.connect(floor.database.gateway) as gateway:
        gateway.execute(
            "INSERT INTO fieldlab.reject "
            "(source_id, source, reason, detail, stream_id, received_at, raw, time, samples) "
            "SELECT id, slug, 'too_late', '', %s, %s::timestamptz, %s, %s::timestamptz, %s FROM fieldlab.source",
            [
                floor.streams[CURRENT],
                str(received_at),
                raw.encode(),
                str(times[0]) if readable else None,
                len(times) if readable else 1,
            ],
        )


def shown(floor: Floor, reader: str) -> list[bytes | None]:
    with floor.bound(reader) as connection:
        return [raw for (raw,) in connection.execute("SELECT raw FROM visible.reject")]


@pytest.mark.parametrize(
    ("times", "owner"),
    [
        ([MONDAY], "sme-a"),
        ([Instant(TUESDAY - 1)], "sme-a"),
        ([TUESDAY], "sme-b"),
        ([MONDAY, Instant(MONDAY + SECOND), Instant(TUESDAY - 1)], "sme-a"),
        ([Instant(TUESDAY - 1), TUESDAY], None),
        ([TUESDAY, Instant(TUESDAY - 1)], None),
    ],
)
def test_a_late_reject_is_shown_to_whoever_owned_all_of_it(
    floor: Floor, times: list[Instant], owner: str | None
) -> None:
    refuse(floor, times, received_at=Instant(TUESDAY + MINUTE))
    assert {reader for reader in ("sme-a", "sme-b", "outsider") if shown(floor, reader)} == (
        {owner} if owner else set()
    )


def test_bytes_in_which_no_times_can_be_read_are_shown_to_nobody_but_break_nothing(floor: Floor) -> None:
    refuse(floor, [MONDAY, MONDAY], received_at=MONDAY)
    with psycopg.connect(floor.database.admin) as admin:
        admin.execute("UPDATE fieldlab.reject SET raw = '\\xff00'::bytea || raw")
    assert [shown(floor, reader) for reader in ("sme-a", "sme-b", "lab")] == [[], [], [None]]


def test_a_reject_without_a_time_is_shown_to_whoever_had_the_stream_when_it_arrived(floor: Floor) -> None:
    refuse(floor, [MONDAY], received_at=Instant(WEDNESDAY - 1), readable=False)
    assert {reader for reader in ("sme-a", "sme-b", "outsider") if shown(floor, reader)} == {"sme-b"}


def test_the_administrator_sees_that_there_are_rejects_and_not_their_bytes(floor: Floor) -> None:
    refuse(floor, [MONDAY], received_at=TUESDAY)
    assert shown(floor, "lab") == [None]
