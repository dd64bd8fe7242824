"""Serves machines over OPC UA: the past no faster than subscribers can take it, then each tick when it is due."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from asyncua.server.server import Server

from simulators.errors import EndpointError
from simulators.machine import Machine
from simulators.opcua.security import Security
from simulators.opcua.stage import Stage
from simulators.playback import Progress, together, wall_clock_us
from simulators.schedule import Schedule, moment
from simulators.wire import BadWire

NAMESPACE = "urn:fieldlab:simulator"


async def serve(
    machines: Sequence[Machine],
    *,
    endpoint: str = "opc.tcp://127.0.0.1:4840",
    rate: float = 1.0,
    since: datetime | None = None,
    until: datetime | None = None,
    speed: float = 1.0,
    patience: float = 30.0,
    stop: asyncio.Event | None = None,
    listening: asyncio.Event | None = None,
    caught_up: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    wires: Mapping[str, Sequence[BadWire]] | None = None,
    security: Security | None = None,
) -> Progress:
    """Serve an object a machine, with the variables `ns=…;s=<asset>/<signal>`, until `until` or `stop`.

    `listening` is set when clients can connect. A past (`since`) is held back until a client monitors the nodes, or for
    `patience` seconds; then it is played so that no subscriber's queue overflows, and `caught_up` is set when all of it
    is acknowledged. Source timestamps are the machine's own time. What was missed can be asked for with HistoryRead.
    `wires` are the faults of each asset's wire; without `security` the server is open to everyone.
    """
    machines = together(machines)
    stop = stop or asyncio.Event()
    now = wall_clock_us()
    first = since or moment(now - round(1e6 / rate))
    schedule = Schedule.of(now_us=now, rate=rate, since=first, until=until, speed=speed)
    protection = security or Security()
    server = Server(user_manager=protection.manager())
    await server.init()
    server.set_endpoint(endpoint)
    server.set_server_name("Fieldlab simulator")
    application = f"{NAMESPACE}:server"
    await server.set_application_uri(application)
    await protection.protect(server, endpoint, application)
    stage = Stage(server, machines, await server.register_namespace(NAMESPACE), schedule, wires or {})
    await stage.build()
    try:
        await server.start()
    except OSError as error:
        raise EndpointError(f"cannot open {endpoint}: {error.strerror or error}; choose another endpoint") from error
    try:
        if listening is not None:
            listening.set()
        if since is not None:
            await stage.audience(patience, stop)
        return await stage.perform(stop, caught_up, progress)
    finally:
        await server.stop()
