"""Puts machines on a server's nodes, tick by tick, and looks after the subscribers while the past is played."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from asyncua import ua
from asyncua.server.server import Server

from simulators.columns import Value
from simulators.machine import Machine
from simulators.opcua.audience import Audience
from simulators.opcua.history import History, origins_of
from simulators.opcua.machinery import ItemState, Model, Spaces, item_state_of, model_of, state_values, types
from simulators.opcua.nodes import GOOD, SPOILT, items_of, nodes_of, stamp
from simulators.opcua.truth_node import TruthNode
from simulators.playback import Progress, Tick, play, progress_of, wall_clock_us
from simulators.schedule import Schedule
from simulators.truth import Truth
from simulators.wire import BadWire, Wire

_LAST_WORDS_S = 5.0


class Stage:
    """The nodes of some machines on one server, and the play that writes to them."""

    def __init__(
        self,
        server: Server,
        machines: Sequence[Machine],
        spaces: Spaces,
        schedule: Schedule,
        wires: Mapping[str, Sequence[BadWire]],
        truth: Sequence[Truth] | None = None,
    ) -> None:
        self._server = server
        self._machines = machines
        self._spaces = spaces
        self._states: list[ItemState | None] = []
        self._shown: dict[ua.NodeId, str] = {}
        self._schedule = schedule
        self._wires = [Wire(machine.seed, wires.get(machine.asset, ())) for machine in machines]
        self._nodes = [nodes_of(machine, spaces.own) for machine in machines]
        self._truth = [TruthNode(machine, truth, spaces.own) for machine in machines] if truth is not None else []
        self._history = History(origins_of(machines, self._nodes), schedule.period_us, schedule.first_us)

    async def build(self) -> None:
        """Create the nodes, holding the values of the first tick, so that nobody ever reads a made-up one."""
        session = self._server.iserver.isession
        first = np.array([self._schedule.first_us], dtype=np.int64)
        rows = [next(machine.at(first).rows())[1] for machine in self._machines]
        await self._add_model(types(self._spaces))
        for machine, nodes, row in zip(self._machines, self._nodes, rows, strict=True):
            for result in await session.add_nodes(items_of(machine, nodes, row, self._spaces.own)):
                result.StatusCode.check()
            model, state = model_of(machine, nodes, self._spaces)
            await self._add_model(model)
            self._states.append(state)
        for told in self._truth:
            await self._add([told.item(self._schedule.first_us)])
        self._server.iserver.history_manager.set_storage(self._history)
        for number, row in enumerate(rows):
            await self._write(number, row, self._schedule.first_us)

    async def perform(
        self,
        *,
        held_back: bool,
        patience: float,
        stop: asyncio.Event,
        caught_up: asyncio.Event | None,
        progress: Callable[[Progress], None] | None,
    ) -> Progress:
        """Write every tick when it is due, until the schedule ends or `stop` is set.

        If it is `held_back` the play waits for a client. Until the past is out, and whenever it falls behind, a tick
        waits until every subscriber has room for it.
        """
        audience = Audience(self._server, patience, stop)
        done = Progress()
        if held_back:
            await audience.gathered([node.node for of_machine in self._nodes for node in of_machine])

        live = False

        async def past_is_out() -> None:
            nonlocal live
            await audience.has_all()
            live = True
            if caught_up is not None and not stop.is_set():
                caught_up.set()

        async for tick in play(self._machines, self._schedule, stop=stop, before_waiting=past_is_out):
            if not live or tick.behind_us > self._schedule.period_us:
                await asyncio.sleep(0)
                await audience.has_room()
            await self._play(tick)
            done = progress_of(done, tick, refused=0)
            if progress is not None:
                progress(done)
        await Audience(self._server, _LAST_WORDS_S, asyncio.Event()).has_all()
        return done

    async def _play(self, tick: Tick) -> None:
        """Let each machine's wire bring what it brings of this tick."""
        for number, (machine, wire, values) in enumerate(zip(self._machines, self._wires, tick.values, strict=True)):
            for message in wire.carry(tick.time_us):
                row = values
                if message.tick_us != tick.time_us:
                    row = next(machine.at(np.array([message.tick_us], dtype=np.int64)).rows())[1]
                status = GOOD if message.spoilt is None else SPOILT[message.spoilt % len(SPOILT)]
                await self._write(number, row, message.time_us, status)
                if message.breaks_connection:
                    self._break_connections()
        for told in self._truth:
            if (change := told.change(tick.time_us)) is not None:
                await self._server.write_attribute_value(told.node, change)
        self._history.newest_us = tick.time_us

    async def _write(self, number: int, values: Sequence[Value], time_us: int, status: ua.StatusCode = GOOD) -> None:
        source, server = stamp(time_us), stamp(wall_clock_us())
        for node, value in zip(self._nodes[number], values, strict=True):
            await self._server.write_attribute_value(node.node, node.value(value, source, server, status))
        state = self._states[number]
        if state is None:
            return
        shown = item_state_of(self._machines[number], str(values[state.position]))
        if self._shown.get(state.text) == shown:
            return
        self._shown[state.text] = shown
        for target, variant in zip((state.text, state.number), state_values(shown, self._spaces), strict=True):
            value_then = ua.DataValue(variant, SourceTimestamp=source, ServerTimestamp=server)
            await self._server.write_attribute_value(target, value_then)

    async def _add_model(self, model: Model) -> None:
        await self._add(model.nodes, model.references)

    async def _add(self, nodes: Sequence[ua.AddNodesItem], references: Sequence[ua.AddReferencesItem] = ()) -> None:
        session = self._server.iserver.isession
        for result in await session.add_nodes(list(nodes)):
            result.StatusCode.check()
        for status in await session.add_references(list(references)):
            status.check()

    def _break_connections(self) -> None:
        """Break every client's connection, as a pulled cable would."""
        for transport in list(self._server.iserver.asyncio_transports):
            transport.abort()
