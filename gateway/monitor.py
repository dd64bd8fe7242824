"""What the gateway tells about itself over HTTP: `/healthz` for people and orchestrators, `/metrics` for Prometheus."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fieldlab.errors import InvalidSettings
from fieldlab.readings.instant import Instant
from gateway.tally import State, Tallies, Tally

_BACKLOG: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHealth:
    """How one source is doing; `lag` is seconds from the newest stored sample's time until now.

    `oldest_waiting` is for how many seconds the oldest sample waits to be written.
    """

    state: str
    message: str
    received: int
    stored: int
    duplicates: int
    rejected: int
    conflicts: int
    waiting: int
    oldest_waiting: float | None
    lag: float | None
    last_heard: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolState:
    """The bytes that the spool takes and may take on the disk, and why it takes nothing at the moment, if so."""

    bytes: int = 0
    limit: int = 0
    fault: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How the gateway is doing, in numbers since its start, with what an earlier process had left in the spool.

    `database_away` is in seconds, None while it is there; `spool_fault` says why the spool takes nothing, if so.
    """

    status: str
    stored: int
    rejected: int
    waiting: int
    duplicates: int
    conflicts: int
    database: str
    database_away: float | None
    spool_bytes: int
    spool_limit: int
    spool_fault: str | None
    sources: dict[str, SourceHealth]


def health(
    tallies: Tallies, *, now: Instant, down_since: Instant | None, patience: float, spool: SpoolState | None = None
) -> Health:
    """Put together how the gateway is doing.

    The status is `unavailable` when the database is away for longer than `patience`, in seconds, or the spool takes
    nothing.
    """
    spool = spool or SpoolState()
    away = None if down_since is None else (now - down_since) / 1e6
    all_of = list(tallies)
    ill = spool.fault is not None or (away is not None and away > patience)
    return Health(
        status="unavailable" if ill else "ok",
        stored=sum(tally.stored for tally in all_of),
        rejected=sum(tally.rejected.total() for tally in all_of),
        waiting=sum(tally.waiting for tally in all_of),
        duplicates=sum(tally.duplicates for tally in all_of),
        conflicts=sum(tally.conflicts for tally in all_of),
        database="reachable" if away is None else "unreachable",
        database_away=away,
        spool_bytes=spool.bytes,
        spool_limit=spool.limit,
        spool_fault=spool.fault,
        sources={tally.source: _of_source(tally, now) for tally in all_of},
    )


def _of_source(tally: Tally, now: Instant) -> SourceHealth:
    return SourceHealth(
        state=tally.state.value,
        message=tally.message,
        received=tally.received,
        stored=tally.stored,
        duplicates=tally.duplicates,
        rejected=tally.rejected.total(),
        conflicts=tally.conflicts,
        waiting=tally.waiting,
        oldest_waiting=_seconds(tally.oldest_waiting, now),
        lag=tally.lag(now),
        last_heard=None if tally.last_heard is None else str(tally.last_heard),
    )


def _seconds(since: Instant | None, now: Instant) -> float | None:
    return None if since is None else max(0.0, (now - since) / 1e6)


class _Metrics(Collector):
    def __init__(self, tallies: Tallies, seen: Callable[[], Health]) -> None:
        self._tallies = tallies
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        seen = self._seen()
        received = CounterMetricFamily("fieldlab_samples_received", "Samples handed over.", labels=["source"])
        stored = CounterMetricFamily("fieldlab_samples_stored", "Samples committed.", labels=["source"])
        duplicates = CounterMetricFamily(
            "fieldlab_samples_duplicate", "Samples that were stored already.", labels=["source"]
        )
        rejected = CounterMetricFamily(
            "fieldlab_samples_rejected", "Inputs that could not become measurements.", labels=["source", "reason"]
        )
        waiting = GaugeMetricFamily("fieldlab_samples_waiting", "Samples not yet committed.", labels=["source"])
        oldest = GaugeMetricFamily(
            "fieldlab_oldest_waiting_seconds", "For how long the oldest sample waits.", labels=["source"]
        )
        lag = GaugeMetricFamily("fieldlab_source_lag_seconds", "Age of the newest stored sample.", labels=["source"])
        connected = GaugeMetricFamily(
            "fieldlab_source_connected", "1 while connected and subscribed.", labels=["source"]
        )
        for tally in self._tallies:
            name = [tally.source]
            received.add_metric(name, tally.received)
            stored.add_metric(name, tally.stored)
            duplicates.add_metric(name, tally.duplicates)
            for reason, count in tally.rejected.items():
                rejected.add_metric([*name, reason.value], count)
            waiting.add_metric(name, tally.waiting)
            oldest.add_metric(name, seen.sources[tally.source].oldest_waiting or 0.0)
            connected.add_metric(name, float(tally.state is State.CONNECTED))
            if (seconds := seen.sources[tally.source].lag) is not None:
                lag.add_metric(name, seconds)
        yield from (received, stored, duplicates, rejected, waiting, oldest, lag, connected)
        yield GaugeMetricFamily("fieldlab_spool_bytes", "Bytes that wait on the disk.", value=seen.spool_bytes)
        yield GaugeMetricFamily("fieldlab_spool_limit_bytes", "Bytes that may wait there.", value=seen.spool_limit)
        yield GaugeMetricFamily(
            "fieldlab_spool_refuses", "1 while the spool takes nothing.", value=float(seen.spool_fault is not None)
        )
        yield GaugeMetricFamily(
            "fieldlab_database_away_seconds", "For how long the database takes nothing.", value=seen.database_away or 0
        )


def monitor(tallies: Tallies, seen: Callable[[], Health]) -> Starlette:
    """Build the application of `/healthz` and `/metrics`."""
    registry = CollectorRegistry()
    registry.register(_Metrics(tallies, seen))

    async def healthz(_: Request) -> Response:
        now = seen()
        return JSONResponse(asdict(now), status_code=200 if now.status == "ok" else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])


def listen(host: str, port: int) -> socket.socket:
    """Open the port, or any free one for 0; raises InvalidSettings that names the setting when it is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise InvalidSettings(
            f"Port {port} of {host} {reason}; set FIELDLAB_GATEWAY_PORT to another, or to 0 for any free one."
        ) from None


class _Server(uvicorn.Server):
    """Serves within a process that handles its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(application: Starlette, opened: socket.socket) -> AsyncIterator[None]:
    """Serve an application for as long as the context lasts."""
    server = _Server(uvicorn.Config(application, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
