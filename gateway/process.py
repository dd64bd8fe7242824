"""The ingest process as a whole: it assembles the parts, keeps them running, and ends them in order."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy.exc import OperationalError

from connectors import registry
from connectors.backoff import Backoff
from fieldlab.assets.source import Source
from fieldlab.errors import Unavailable
from fieldlab.ports import Connector
from fieldlab.readings.instant import Instant
from fieldlab.storage.bindings import catalogues
from fieldlab.storage.database import open_engine
from fieldlab.storage.rights import ProcessRole, check
from fieldlab.storage.write import Writer
from gateway.identity import identity
from gateway.intake import Intake
from gateway.limits import Limits
from gateway.monitor import Health, health, listen, monitor, served
from gateway.outage import Outage
from gateway.pump import Pump
from gateway.sources import Connect, Sources
from gateway.tally import Tallies

_log: Final = logging.getLogger(__name__)


async def run(
    *,
    database_url: str,
    directory: Path,
    stop: asyncio.Event,
    host: str = "127.0.0.1",
    port: int = 8001,
    connect: Connect | None = None,
    ready: Callable[[str], None] = lambda _: None,
    limits: Limits | None = None,
) -> None:
    """Take in what the catalogue's sources hand over until `stop` is set; then write what arrived, and close.

    `ready` is called once, with the URL under which `/healthz` and `/metrics` answer, when the sources have started.
    Raises ExcessRights when the database user may do more than a gateway needs, and InvalidSettings for a port or a
    directory that cannot be used. A database that is away is waited for.
    """
    limits = limits or Limits()
    connect = connect or _registered(directory)
    tallies, outage = Tallies(), Outage()
    intake = Intake(capacity=limits.waiting)

    def seen() -> Health:
        return health(tallies, now=Instant.now(), down_since=outage.since, patience=limits.outage)

    with listen(host, port) as opened, Writer(database_url) as writer:
        pump = Pump(intake=intake, writer=writer, tallies=tallies, limits=limits, outage=outage)
        sources = Sources(connect=connect, intake=intake, tallies=tallies)
        url = _url(host, opened)

        async def work() -> None:
            await _admit(database_url, outage)
            async with asyncio.TaskGroup() as group:
                group.create_task(pump.run())
                following = group.create_task(_follow(database_url, pump, sources, outage, lambda: ready(url)))
                await stop.wait()
                following.cancel()
                await intake.close()

        async with served(monitor(tallies, seen), opened):
            working = asyncio.create_task(work())
            stopping = asyncio.create_task(_overdue(stop, limits.drain, outage))
            try:
                await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if left := seen().waiting:
                    _log.warning("stopping with %d samples unwritten; their sources keep them", left)
            finally:
                await sources.stop()
                await _end(stopping)
                await _end(working)


async def _admit(url: str, outage: Outage) -> None:
    """Wait for the database, and hold this process's rights there against what a gateway needs."""
    waits = Backoff()
    while True:
        try:
            await asyncio.to_thread(_check, url)
        except OperationalError as error:
            outage.begins(Unavailable(f"The database cannot be reached: {error.orig}."), now=Instant.now())
            await asyncio.sleep(waits.pause())
        else:
            outage.ends(now=Instant.now())
            return


def _check(url: str) -> None:
    engine = open_engine(url, name="fieldlab gateway")
    try:
        with engine.connect() as connection:
            check(connection, ProcessRole.GATEWAY)
    finally:
        engine.dispose()


async def _follow(url: str, pump: Pump, sources: Sources, outage: Outage, started: Callable[[], None]) -> None:
    """Keep bindings and sources as the catalogue has them, for ever."""
    waits, first = Backoff(), True
    while True:
        try:
            async with contextlib.aclosing(catalogues(url)) as changes:
                async for catalogue in changes:
                    waits.reset()
                    outage.ends(now=Instant.now())
                    pump.catalogue = catalogue
                    await sources.follow(catalogue)
                    if first:
                        first = False
                        started()
        except Unavailable as error:
            outage.begins(error, now=Instant.now())
            await asyncio.sleep(waits.pause())


async def _overdue(stop: asyncio.Event, drain: float, outage: Outage) -> None:
    """Return when there was time enough since `stop` to write what had arrived; at once if there is no database."""
    await stop.wait()
    if outage.since is None:
        await asyncio.sleep(drain)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task that may still run; what it raised of its own is raised here."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _url(host: str, opened: socket.socket) -> str:
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{opened.getsockname()[1]}"


def _registered(directory: Path) -> Connect:
    """Build connectors from the registry, under this gateway's name."""
    name = identity(directory)

    def connect(source: Source, heard_until: Instant | None) -> Connector:
        return registry.build(source, client_name=name, environment=os.environ, heard_until=heard_until)

    return connect
