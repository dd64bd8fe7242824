"""Puts machines on a server's nodes, tick by tick, and looks after the subscribers while the past is played."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from asyncua import ua
from asyncua.server.server import Server

from simulators.columns import Value
from simulators.machine import Machine
from simulators.opcua.audience import all_is_out, has_room, listened_to
from simulators.opcua.history import History, origins_of
from simulators.opcua.nodes import GOOD, SPOILT, SignalNode, items_of, nodes_of, stamp
from simulators.playback import Progress, Tick, play, progress_of, wall_clock_us
from simulators.schedule import Schedule
from simulators.wire import BadWire, Wire

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.01
_SETTLED_S = 1.0
_STUCK_S = 30.0
_LAST_WORDS_S = 5.0


class Stage:
    """The nodes of some machines on one server, and the play that writes to them."""

    def __init__(
        self,
        server: Server,
        machines: Sequence[Machine],
        namespace: int,
        schedule: Schedule,
        wires: Mapping[str, Sequence[BadWire]],
    ) -> None:
        self._server = server
        self._machines = machines
        self._namespace = namespace
        self._schedule = schedule
        self._wires = [Wire(machine.seed, wires.get(machine.asset, ())) for machine in machines]
        self._nodes = [nodes_of(machine, namespace) for machine in machines]
        self._flat = [node for of_machine in self._nodes for node in of_machine]
        self._history = History(origins_of(machines, self._nodes), schedule.period_us, schedule.first_us)

    async def build(self) -> None:
        """Create the nodes, holding the values of the first tick, so that nobody ever reads a made-up one."""
        session = self._server.iserver.isession
        first = np.array([self._schedule.first_us], dtype=np.int64)
        rows = [next(machine.at(first).rows())[1] for machine in self._machines]
        for machine, nodes, row in zip(self._machines, self._nodes, rows, strict=True):
            for result in await session.add_nodes(items_of(machine, nodes, row, self._namespace)):
                result.StatusCode.check()
        self._server.iserver.history_manager.set_storage(self._history)
        for nodes, row in zip(self._nodes, rows, strict=True):
            await self._write(nodes, row, self._schedule.first_us)

    async def audience(self, patience: float, stop: asyncio.Event) -> None:
        """Wait until a client monitors every node, or some and no more for a second; at most `patience` seconds."""
        identities = [node.node for node in self._flat]
        deadline = time.monotonic() + patience
        before, since = 0, time.monotonic()
        while not stop.is_set():
            now, many = time.monotonic(), listened_to(self._server, identities)
            if many != before:
                before, since = many, now
            if many == len(identities) or (many and now - since >= _SETTLED_S):
                return
            if now >= deadline:
                _LOG.info("nobody listens after %g s; the past is played for HistoryRead alone", patience)
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def perform(
        self,
        stop: asyncio.Event,
        caught_up: asyncio.Event | None,
        progress: Callable[[Progress], None] | None,
    ) -> Progress:
        """Write every tick when it is due, until the schedule ends or `stop` is set."""
        done = Progress()

        async def past_is_out() -> None:
            await self._until(all_is_out, _STUCK_S, stop)
            if caught_up is not None and not stop.is_set():
                caught_up.set()

        async for tick in play(self._machines, self._schedule, stop=stop, before_waiting=past_is_out):
            if tick.behind_us > self._schedule.period_us:
                await asyncio.sleep(0)
                await self._until(has_room, _STUCK_S, stop)
            await self._play(tick)
            done = progress_of(done, tick, refused=0)
            if progress is not None:
                progress(done)
        await self._until(all_is_out, _LAST_WORDS_S, asyncio.Event())
        return done

    async def _play(self, tick: Tick) -> None:
        """Let each machine's wire bring what it brings of this tick."""
        for machine, nodes, wire, values in zip(self._machines, self._nodes, self._wires, tick.values, strict=True):
            for message in wire.carry(tick.time_us):
                row = values
                if message.tick_us != tick.time_us:
                    row = next(machine.at(np.array([message.tick_us], dtype=np.int64)).rows())[1]
                status = GOOD if message.spoilt is None else SPOILT[message.spoilt % len(SPOILT)]
                await self._write(nodes, row, message.time_us, status)
                if message.breaks_connection:
                    self._break_connections()
        self._history.newest_us = tick.time_us

    async def _write(
        self, nodes: Sequence[SignalNode], values: Sequence[Value], time_us: int, status: ua.StatusCode = GOOD
    ) -> None:
        source, server = stamp(time_us), stamp(wall_clock_us())
        for node, value in zip(nodes, values, strict=True):
            await self._server.write_attribute_value(node.node, node.value(value, source, server, status))

    def _break_connections(self) -> None:
        """Break every client's connection, as a pulled cable would."""
        for transport in list(self._server.iserver.asyncio_transports):
            transport.abort()

    async def _until(self, holds: Callable[[Server], bool], patience: float, stop: asyncio.Event) -> None:
        """Wait for the subscribers; one that takes nothing for `patience` seconds is given up on."""
        deadline = time.monotonic() + patience
        while not holds(self._server) and not stop.is_set():
            if time.monotonic() >= deadline:
                _LOG.warning("a subscriber takes nothing for %g s; going on without it", patience)
                return
            await asyncio.sleep(_LOOK_EVERY_S)
