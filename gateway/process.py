"""The ingest process as a whole: it assembles the parts, keeps them running, and ends them in order."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from connectors import registry
from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings
from fieldlab.ports import Connector
from fieldlab.readings.instant import Instant
from fieldlab.storage.database import address
from fieldlab.storage.spool import Spool
from fieldlab.storage.write import Writer
from gateway.admission import admit
from gateway.descriptions import Descriptions
from gateway.discoveries import Discoveries
from gateway.guide import Guide
from gateway.identity import identity
from gateway.intake import Intake
from gateway.limits import Limits
from gateway.monitor import Health, SpoolState, health, listen, monitor, served
from gateway.outage import Outage
from gateway.pump import Pump
from gateway.recall import Recall
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

    `directory` holds the spool: a local disk, for this gateway alone. `ready` is called once, with the URL under which
    `/healthz` and `/metrics` answer, when the sources have started. Raises ExcessRights when the database user may do
    more than a gateway needs, and InvalidSettings for a URL, port or directory that cannot be used, or a spool that a
    later version left. A database that is away is waited for; meanwhile the sources go on, into the spool.
    """
    limits = limits or Limits()
    try:
        address(database_url)
    except InvalidSettings as error:
        raise InvalidSettings(f"FIELDLAB_GATEWAY_DATABASE_URL: {error}") from None
    with (
        listen(host, port) as opened,
        Spool(directory) as spool,
        _thread("spool") as spooling,
        _thread("write") as writing,
    ):
        admit(spool)
        tallies, outage, descriptions = _tallies(spool), Outage(), Descriptions(most=limits.discoveries)
        intake = Intake(spool=spool, thread=spooling, limits=limits)
        sources = Sources(
            connect=connect or _registered(directory), intake=intake, tallies=tallies, descriptions=descriptions
        )
        with Writer(database_url, spool=spool.name()) as writer:
            pump = Pump(
                intake=intake,
                discoveries=Discoveries(spool=spool, limits=limits, descriptions=descriptions),
                writer=writer,
                tallies=tallies,
                outage=outage,
                limits=limits,
                spool_thread=spooling,
                write_thread=writing,
            )
            guide = Guide(
                url=database_url,
                spool=spool,
                spool_thread=spooling,
                pump=pump,
                sources=sources,
                outage=outage,
                started=lambda: ready(_url(host, opened)),
            )

            def seen() -> Health:
                return health(
                    tallies,
                    now=Instant.now(),
                    down_since=outage.since,
                    patience=limits.outage,
                    spool=SpoolState(bytes=intake.used, limit=limits.spool, fault=intake.fault),
                )

            async with served(monitor(tallies, seen), opened):
                await _work(
                    stop,
                    guide=guide,
                    pump=pump,
                    recall=Recall(url=database_url, sources=sources, intake=intake, pump=pump),
                    intake=intake,
                    sources=sources,
                    outage=outage,
                    limits=limits,
                )
                if left := seen().waiting:
                    _log.info("stopped with %d samples waiting in the spool", left)


async def _work(
    stop: asyncio.Event,
    *,
    guide: Guide,
    pump: Pump,
    recall: Recall,
    intake: Intake,
    sources: Sources,
    outage: Outage,
    limits: Limits,
) -> None:
    """Run the parts until `stop` is set, or one of them fails; then end them in the order of the data's way."""

    async def pumped() -> None:
        await guide.guided.wait()
        await pump.run()

    async def recalled() -> None:
        await guide.guided.wait()
        await recall.run()

    taking, pumping, guiding, recalling = (
        asyncio.create_task(part) for part in (intake.run(), pumped(), guide.run(), recalled())
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({taking, pumping, guiding, recalling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await intake.close()
            await asyncio.wait({taking, guiding, pumping}, timeout=limits.drain, return_when=asyncio.FIRST_COMPLETED)
            await sources.stop()
            if outage.since is None and guide.guided.is_set():
                await asyncio.wait({pumping, guiding}, timeout=limits.drain, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await sources.stop()
        for task in (stopping, recalling, guiding, taking, pumping):
            task.cancel()
        await asyncio.wait({stopping, recalling, guiding, taking, pumping})
    for task in (guiding, pumping, taking, recalling):
        if not task.cancelled():
            task.result()


def _tallies(spool: Spool) -> Tallies:
    """Begin the accounts with what an earlier process left in the spool."""
    tallies = Tallies()
    for source, size in spool.waiting().items():
        tallies.of(source).received = size
    for source, at in spool.oldest().items():
        tallies.of(source).arrived(at)
    for source, at in spool.heard().items():
        tallies.of(source).last_heard = tallies.of(source).heard_until = at
    return tallies


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"fieldlab-{name}") as executor:
        yield executor


def _url(host: str, opened: socket.socket) -> str:
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{opened.getsockname()[1]}"


def _registered(directory: Path) -> Connect:
    """Build connectors from the registry, under this gateway's name."""
    name = identity(directory)

    def connect(source: Source, heard_until: Instant | None) -> Connector:
        return registry.build(
            source, client_name=name, environment=os.environ, heard_until=heard_until, directory=directory
        )

    return connect
