"""What became of every number: in the table once, in a gap that says so, or lost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import psycopg

from tests.servers.database import Database


@dataclass(kw_only=True)
class Verdict:
    """The last line of a run. `gaps` counts the samples that are missing and stand in a gap row."""

    kills: int
    published: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    rejected: int = 0
    gaps: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Tell whether nothing was lost, nothing stands there twice, and the accounts add up."""
        return not (self.lost or self.duplicated or self.faults)

    def line(self) -> dict[str, object]:
        """Give what the last line says."""
        return {key: value for key, value in asdict(self).items() if key != "faults"}


def judge(database: Database, verdict: Verdict, times: dict[str, Sequence[int]], waiting: Mapping[str, int]) -> None:
    """Compare what each asset's streams hold with the times of the numbers that it sent.

    The accounts are held against the tables, and against what the gateway says is `waiting` of each source.
    """
    with psycopg.connect(database.admin) as connection:
        connection.execute("SET timezone = 'UTC'")
        streams = connection.execute(
            "SELECT s.id, a.slug, s.name FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id"
        ).fetchall()
        for stream, asset, name in streams:
            _judge_stream(connection, verdict, stream, f"{asset}.{name}", times[asset])
        _judge_accounts(connection, verdict)
        _judge_waiting(connection, verdict, waiting)


def _judge_stream(
    connection: psycopg.Connection, verdict: Verdict, stream: int, name: str, times: Sequence[int]
) -> None:
    rows = connection.execute(
        "SELECT value::integer, (extract(epoch FROM time) * 1000000)::bigint FROM fieldlab.measurement"
        " WHERE stream_id = %s AND value BETWEEN 0 AND 1e9",
        [stream],
    ).fetchall()
    holes = connection.execute(
        "SELECT (extract(epoch FROM start) * 1000000)::bigint, (extract(epoch FROM until) * 1000000)::bigint"
        " FROM fieldlab.gap WHERE stream_id = %s",
        [stream],
    ).fetchall()
    found: dict[int, int] = dict(rows)
    verdict.published += len(times)
    verdict.stored += len(rows)
    verdict.duplicated += len(rows) - len(found)
    for number, time in found.items():
        if number < len(times) and abs(times[number] - time) > 1:
            verdict.faults.append(f"{name}: number {number} stands at another time")
    missing = [time for number, time in enumerate(times) if number not in found]
    explained = sum(any(start <= time < until for start, until in holes) for time in missing)
    verdict.gaps += explained
    verdict.lost += len(missing) - explained
    if len(missing) > explained:
        first = next(n for n, t in enumerate(times) if n not in found and not any(s <= t < u for s, u in holes))
        verdict.faults.append(f"{name}: {len(missing) - explained} numbers are lost, the first is {first}")


def _judge_accounts(connection: psycopg.Connection, verdict: Verdict) -> None:
    """Hold the accounts against the tables."""
    connection.execute("SELECT fieldlab.fold_accounts()")
    off = connection.execute(
        "SELECT s.id, coalesce(a.stored, 0), m.stored FROM fieldlab.stream AS s"
        " LEFT JOIN (SELECT stream_id, sum(stored) AS stored FROM fieldlab.account GROUP BY 1) AS a"
        "     ON a.stream_id = s.id"
        " CROSS JOIN LATERAL (SELECT count(*) AS stored FROM fieldlab.measurement WHERE stream_id = s.id) AS m"
        " WHERE coalesce(a.stored, 0) <> m.stored"
    ).fetchall()
    verdict.faults += [f"stream {stream}: the accounts say {said} stored, and {is_} are" for stream, said, is_ in off]
    sums = connection.execute(
        "SELECT coalesce(sum(received), 0)::integer, coalesce(sum(stored + duplicates + rejected), 0)::integer,"
        " coalesce(sum(rejected), 0)::integer FROM fieldlab.account"
    ).fetchone()
    kept = connection.execute("SELECT coalesce(sum(samples), 0)::integer FROM fieldlab.reject").fetchone()
    assert sums is not None
    assert kept is not None
    received, accounted, rejected = sums
    verdict.rejected = kept[0]
    if received != accounted:
        verdict.faults.append(f"the accounts say {received} received and {accounted} accounted for")
    if rejected != kept[0]:
        verdict.faults.append(f"the accounts say {rejected} rejected, and {kept[0]} rejects are kept")


def _judge_waiting(connection: psycopg.Connection, verdict: Verdict, waiting: Mapping[str, int]) -> None:
    """Hold what the accounts say is waiting against what the gateway itself says."""
    said: dict[str, int] = dict(
        connection.execute(
            "SELECT s.slug, coalesce(sum(w.samples), 0)::integer FROM fieldlab.source AS s"
            " LEFT JOIN fieldlab.waiting AS w ON w.source_id = s.id GROUP BY 1"
        ).fetchall()
    )
    verdict.faults += [
        f"source {source}: the accounts say {said[source]} waiting, and the gateway {here}"
        for source, here in waiting.items()
        if said[source] != here
    ]
