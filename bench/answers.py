"""What the query service gives over HTTP against what the database gives straight: long answers, and the smallest ones.

The service runs as a process of its own; the rows are those of one stream of whoever asks.
"""

import http.client
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from bench.alternate import alternate
from bench.figure import Experiment, Figure
from bench.shared_lab import token_of
from tests.servers.child import Child, start, wait_for
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine
from tests.servers.port import free_port
from tests.servers.scratch import scratch

MIDDLE: Final = 1_000_000
LONG: Final = 10_000_000
SHORT: Final = 10_000
ROUNDS: Final = 3
FIRST_BYTES: Final = 11
TURNS: Final = 7
SECONDS: Final = 4.0
CLIENTS: Final = 4
CHUNK: Final = 1 << 20

_LAB: Final[LiteralString] = """
    INSERT INTO fieldlab.participant (slug, name, role) VALUES ('sme-a', 'A participant', 'sme');
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)
        SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
        SELECT a.id, wanted, 'number', 'A' FROM fieldlab.asset AS a, unnest(ARRAY['long', 'middle', 'short']) AS wanted;
"""
_SAMPLES: Final[LiteralString] = """
    INSERT INTO fieldlab.measurement (stream_id, time, value)
        SELECT s.id, timestamptz '2026-11-01Z' + n * interval '10 ms', (n %% 100000) / 1000.0
        FROM fieldlab.stream AS s, generate_series(1, %s) AS n WHERE s.name = %s
"""
_ROWS: Final[LiteralString] = """
    SELECT time, value, status FROM fieldlab.measurement
    WHERE stream_id = (SELECT id FROM fieldlab.stream WHERE name = 'middle') ORDER BY time
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A process that serves HTTP, and the headers to ask it with."""

    child: Child
    port: int
    headers: Mapping[str, str]

    def asked(self, path: str) -> http.client.HTTPResponse:
        """Ask on a connection of its own; gives the answer before its body is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", path, headers=dict(self.headers))
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} answered {answer.status}: {answer.read()!r}; {self.child.tail()}")
        return answer

    def drained(self, path: str) -> int:
        """Read an answer to its end; gives its bytes."""
        answer, length = self.asked(path), 0
        while piece := answer.read(CHUNK):
            length += len(piece)
        return length

    def first_byte(self, path: str) -> float:
        """Give the seconds until the first bytes of the body, and leave."""
        begin = time.perf_counter()
        answer = self.asked(path)
        answer.read(100)
        taken = time.perf_counter() - begin
        answer.close()
        return taken

    def resident(self) -> float:
        """Give the resident memory of the process, in megabytes."""
        status = Path(f"/proc/{self.child.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def per_second(self, path: str) -> float:
        """Ask again and again on a few connections that stay; gives the requests a second."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode()
        until = time.perf_counter() + SECONDS
        counts = [0] * CLIENTS

        def ask(number: int) -> None:
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
                while time.perf_counter() < until:
                    connection.sendall(request)
                    _received(connection)
                    counts[number] += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / SECONDS


def _received(connection: socket.socket) -> None:
    """Read one answer with a Content-Length."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65_536)
    head, _, body = got.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered {head!r} {body!r}")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)


@contextmanager
def _lab(engine: Engine, lengths: Mapping[str, int]) -> Iterator[tuple[Database, Served, ExitStack]]:
    """A query service over streams of these lengths, and what else is to end with it."""
    with (
        template(engine) as migrated,
        clone(migrated) as database,
        scratch(on_disk=True) as place,
        ExitStack() as open_,
    ):
        with psycopg.connect(database.admin, autocommit=True) as connection:
            connection.execute(_LAB)
            for stream, rows in lengths.items():
                connection.execute(_SAMPLES, [rows, stream])
            connection.execute("VACUUM ANALYZE")
        token = token_of(database, "sme-a")
        environment = {
            "FIELDLAB_API_DATABASE_URL": database.api,
            "FIELDLAB_API_REQUESTS_PER_MINUTE": "0",
            "FIELDLAB_API_EXPORTS_DIRECTORY": str(place / "exports"),
        }
        served = _started(open_, place, "api", ["-m", "cli", "api", "--port"], environment)
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        yield database, Served(child=served.child, port=served.port, headers=headers), open_


def _started(open_: ExitStack, place: Path, name: str, words: list[str], environment: Mapping[str, str]) -> Served:
    port = free_port()
    given = [f"{key}={value}" for key, value in {**environment, "PYTHONPATH": str(Path.cwd())}.items()]
    command = ["env", *given, sys.executable, *words, str(port)]
    child = start(name, command, log=place / f"{name}.log")
    open_.callback(child.stop)
    served = Served(child=child, port=port, headers={})
    wait_for(lambda: _ready(served), f"{name} answers")
    return served


def _ready(served: Served) -> bool:
    try:
        return served.asked("/readyz").status == http.client.OK
    except (OSError, RuntimeError):
        return False


def _formats(engine: Engine) -> Mapping[str, float]:
    with _lab(engine, {"middle": MIDDLE}) as (database, api, _):

        def copied() -> None:
            with (
                psycopg.connect(database.admin) as connection,
                connection.cursor() as cursor,
                cursor.copy(f"COPY ({_ROWS}) TO STDOUT (FORMAT csv)") as copy,
            ):
                for _piece in copy:
                    pass

        def straight() -> None:
            with dbapi.connect(database.admin) as connection, connection.cursor() as cursor:
                cursor.execute(_ROWS)
                _rows(cursor.fetch_arrow_table())

        def arrow() -> None:
            with pa.ipc.open_stream(api.asked("/v1/measurements?stream=asset.middle&format=arrow")) as stream:
                _rows(stream.read_all())

        taken = alternate(
            {
                "copy": copied,
                "adbc": straight,
                "csv": lambda: api.drained("/v1/measurements?stream=asset.middle&format=csv"),
                "arrow": arrow,
                "parquet": lambda: api.drained("/v1/measurements?stream=asset.middle&format=parquet"),
            },
            rounds=ROUNDS,
        )
    return {
        "query.csv_vs_copy": taken["copy"] / taken["csv"],
        "query.arrow_vs_adbc": taken["adbc"] / taken["arrow"],
        "query.parquet_rows_per_second": MIDDLE / taken["parquet"],
    }


def _rows(table: pa.Table) -> None:
    if len(table) != MIDDLE:
        raise AssertionError(f"{len(table)} rows came, not {MIDDLE}.")


def _long(engine: Engine) -> Mapping[str, float]:
    with _lab(engine, {"long": LONG, "short": SHORT}) as (_, api, _open):
        long, short = (f"/v1/measurements?stream=asset.{name}&format=csv" for name in ("long", "short"))
        api.first_byte(long)
        firsts = [(api.first_byte(long), api.first_byte(short)) for _ in range(FIRST_BYTES)]
        before, most = api.resident(), 0.0
        answer, length = api.asked(long), 0
        while piece := answer.read(CHUNK):
            length += len(piece)
            most = max(most, api.resident())
        if length < 10 * LONG:
            raise AssertionError(f"Only {length} bytes came.")
    ratio = statistics.median(one for one, _ in firsts) / statistics.median(one for _, one in firsts)
    return {"query.first_byte_ratio": ratio, "query.export_rss_mb": most - before}


def _small(engine: Engine) -> Mapping[str, float]:
    with _lab(engine, {"short": SHORT}) as (database, api, open_), scratch() as place:
        words = ["-m", "bench.bare"]
        bare = _started(open_, place, "bare", words, {"BARE_DATABASE_URL": database.admin})
        figures = [
            (api.per_second("/v1/latest?stream=asset.short"), bare.per_second("/latest?stream=short"))
            for _ in range(1 + TURNS)
        ]
    warm = figures[1:]
    return {"query.small_requests_ratio": statistics.median(ours / theirs for ours, theirs in warm)}


EXPERIMENTS: Final = (
    Experiment(
        figures=(
            Figure(
                name="query.csv_vs_copy",
                meaning="a million samples as CSV over HTTP ÷ COPY … TO STDOUT (FORMAT csv) of the same",
                least=0.7,
            ),
            Figure(
                name="query.arrow_vs_adbc",
                meaning="the same as an Arrow table over HTTP ÷ ADBC reading time, value and status from the table",
                least=0.6,
            ),
            Figure(name="query.parquet_rows_per_second", meaning="the same as Parquet over HTTP, rows a second"),
        ),
        run=_formats,
    ),
    Experiment(
        figures=(
            Figure(
                name="query.first_byte_ratio",
                meaning="time to the first byte of 10 million rows ÷ of 10 thousand rows",
                most=2,
            ),
            Figure(
                name="query.export_rss_mb",
                meaning="growth of the query service's memory while it streams 10 million rows, in MB",
                most=300,
            ),
        ),
        run=_long,
    ),
    Experiment(
        figures=(
            Figure(
                name="query.small_requests_ratio",
                meaning="latest values of a stream a second ÷ those of a bare FastAPI route, a process each",
                least=0.5,
            ),
        ),
        run=_small,
    ),
)
