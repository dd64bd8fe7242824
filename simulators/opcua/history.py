"""What the machines did before, for HistoryRead (OPC 10000-11): worked out when it is asked for, kept nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from asyncua import ua
from asyncua.server.history import HistoryStorageInterface

from simulators.machine import Machine
from simulators.opcua.nodes import SignalNode, stamp
from simulators.schedule import microseconds, moment

MEMORY = timedelta(days=7)
_MOST = 10_000


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a node's values come from."""

    machine: Machine
    node: SignalNode


class History(HistoryStorageInterface):
    """The ticks of the last seven days before the newest one played."""

    def __init__(self, origins: Mapping[ua.NodeId, Origin], period_us: int, newest_us: int) -> None:
        super().__init__(_MOST)
        self.newest_us = newest_us
        self._origins = origins
        self._period_us = period_us

    async def init(self) -> None:
        """Do nothing: there is nothing to open."""

    async def stop(self) -> None:
        """Do nothing: there is nothing to close."""

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """Give the values in [start, end], the other way round if start is later, and where to go on.

        A missing bound (absent, or the epoch of Windows file times) means without limit on that side; with only an end
        the newest values come first (OPC 10000-11, 6.5.3.2). At most 10,000 values, or `nb_values` if fewer, come at
        once.
        """
        origin = self._origins.get(node_id)
        if origin is None:
            return [], None
        first, last = _bound(start), _bound(end)
        backwards = first is None
        if first is not None and last is not None and first > last:
            first, last, backwards = last, first, True
        oldest = self.newest_us - MEMORY // timedelta(microseconds=1)
        low = max(first if first is not None else oldest, oldest)
        high = min(last if last is not None else self.newest_us, self.newest_us)
        times = np.arange(-(-low // self._period_us) * self._period_us, high + 1, self._period_us, dtype=np.int64)
        if backwards:
            times = times[::-1]
        many = min(nb_values, _MOST) if nb_values else _MOST
        further = moment(int(times[many])) if len(times) > many else None
        values = origin.machine.at(times[:many]).values[origin.node.signal.name].tolist()
        stamps = [stamp(time) for time in times[:many].tolist()]
        return [origin.node.value(value, at, at) for value, at in zip(values, stamps, strict=True)], further


def origins_of(machines: Sequence[Machine], nodes: Sequence[Sequence[SignalNode]]) -> dict[ua.NodeId, Origin]:
    """Index the nodes of machines by their NodeIds."""
    return {
        node.node: Origin(machine=machine, node=node)
        for machine, of_machine in zip(machines, nodes, strict=True)
        for node in of_machine
    }


def _bound(time: datetime | None) -> int | None:
    if time is None or time <= ua.get_win_epoch():
        return None
    return microseconds(time, "history bound")
