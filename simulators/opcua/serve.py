"""Serves machines over OPC UA: the past no faster than subscribers can take it, then each tick when it is due."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from asyncua.server.server import Server

from simulators.errors import EndpointError
from simulators.machine import Machine
from simulators.opcua.machinery import DI, MACHINERY, Spaces
from simulators.opcua.security import Security
from simulators.opcua.stage import Stage
from simulators.playback import Progress, together, wall_clock_us
from simulators.schedule import Schedule
from simulators.truth import Truth
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
    truth: Sequence[Truth] | None = None,
) -> Progress:
    """Serve an object a machine, with the variables `ns=…;s=<asset>/<signal>`, until `until` or `stop`.

    Around them stand the building blocks of OPC UA for Machinery; see `machinery`.

    `listening` is set when clients can connect. A past (`since`) is held back until a client monitors the nodes, or for
    `patience` seconds; then it is played so that no subscriber's queue overflows, and `caught_up` is set when all of it
    is acknowledged. A subscriber that takes nothing for `patience` seconds is given up on; what was missed can be asked
    for with HistoryRead. Source timestamps are the machine's own time. `wires` are the faults of each asset's wire;
    without `security` the server is open to everyone. With `truth`, even an empty one, the variable `<asset>/truth`
    says what is wrong with an asset.
    """
    machines = together(machines)
    stop = stop or asyncio.Event()
    schedule = Schedule.of(now_us=wall_clock_us(), rate=rate, since=since, until=until, speed=speed)
    if since is None:
        schedule = replace(schedule, first_us=schedule.first_us - schedule.period_us)
    protection = security or Security()
    server = Server(user_manager=protection.manager())
    await server.init()
    server.set_endpoint(endpoint)
    server.set_server_name("Fieldlab simulator")
    application = f"{NAMESPACE}:server"
    await server.set_application_uri(application)
    await protection.protect(server, endpoint, application)
    spaces = Spaces(
        own=await server.register_namespace(NAMESPACE),
        di=await server.register_namespace(DI),
        machinery=await server.register_namespace(MACHINERY),
    )
    stage = Stage(server, machines, spaces, schedule, wires or {}, truth)
    await stage.build()
    try:
        await server.start()
    except OSError as error:
        raise EndpointError(f"cannot open {endpoint}: {error.strerror or error}; choose another endpoint") from error
    try:
        if listening is not None:
            listening.set()
        return await stage.perform(
            held_back=since is not None, patience=patience, stop=stop, caught_up=caught_up, progress=progress
        )
    finally:
        await server.stop()
