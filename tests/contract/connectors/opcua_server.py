"""An OPC UA server that a test plays: one machine's variables, started, stopped and renumbered at will."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.history import HistoryDict
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uatypes import DateTime

from fieldlab.readings.instant import Instant
from tests.servers.port import free_port

NAMESPACE = "urn:fieldlab:test:machine"


def stamp(moment: datetime) -> DateTime:
    return DateTime.fromtimestamp(moment.timestamp(), tz=UTC)


class Machine:
    """A server on a port of its own. `variables` are made at each start, by name, with the value that they begin with.

    `foreign` namespaces come before the machine's, so that they shift its index. With `remembers` it keeps a history
    of what is written, over restarts too.
    """

    def __init__(
        self, variables: Mapping[str, ua.Variant], *, foreign: Sequence[str] = (), remembers: bool = False
    ) -> None:
        self.port = free_port()
        self.variables = dict(variables)
        self.foreign = foreign
        self.remembers = remembers
        self.past: dict[str, list[ua.DataValue]] = {}
        self.server: Server
        self.nodes: dict[str, Node] = {}
        self.index = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def address(self, name: str) -> str:
        return f"nsu={NAMESPACE};s={name}"

    async def start(self) -> None:
        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(self.url)
        await self.prepare()
        if self.remembers:
            self.server.iserver.history_manager.set_storage(Memory(self.past))
        for uri in self.foreign:
            await self.server.register_namespace(uri)
        self.index = await self.server.register_namespace(NAMESPACE)
        self.nodes = {}
        for name, start in self.variables.items():
            await self.add(name, start)
        await self.server.start()

    async def prepare(self) -> None:
        """Set up what must be set before the server starts."""
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])

    async def stop(self) -> None:
        await self.server.stop()

    async def add(self, name: str, start: ua.Variant) -> None:
        """Give the machine one more variable."""
        node_id = ua.NodeId(ua.String(name), ua.Int16(self.index))
        node = self.nodes[name] = await self.server.nodes.objects.add_variable(node_id, name, start)
        if self.remembers:
            await node.set_attr_bit(AttributeIds.AccessLevel, ua.AccessLevel.HistoryRead)
            await node.set_attr_bit(AttributeIds.UserAccessLevel, ua.AccessLevel.HistoryRead)
            known = self.past.setdefault(name, [])
            if known:
                await self.server.iserver.write_attribute_value(node.nodeid, known[-1])
            else:
                known.append(await node.read_data_value())

    def measured(self, name: str, value: ua.Variant, *, at: Instant) -> None:
        """Have a variable measured where nobody listens: only its history knows."""
        self.past[name].append(ua.DataValue(value, SourceTimestamp=stamp(at.datetime())))

    async def write(
        self, name: str, value: ua.Variant, *, at: Instant | None, status: int = 0, server_time: datetime | None = None
    ) -> None:
        """Have a variable measured at a time, with a status."""
        moment = None if at is None else stamp(at.datetime())
        arrived = None if server_time is None else stamp(server_time)
        data = ua.DataValue(value, ua.StatusCode(ua.UInt32(status)), moment, arrived)
        await self.server.iserver.write_attribute_value(self.nodes[name].nodeid, data)
        if self.remembers:
            self.past[name].append(data)

    @property
    def subscriptions(self) -> list[InternalSubscription]:
        return list(self.server.iserver.subscription_service.subscriptions.values())

    @property
    def unacknowledged(self) -> int:
        """Count the answers that the server keeps because no client has acknowledged them."""
        return sum(len(one._not_acknowledged_results) for one in self.subscriptions)

    async def drop_connections(self) -> None:
        """Break every connection as a cut cable would, and end the sessions on them."""
        for transport in list(self.server.iserver.asyncio_transports):
            transport.abort()
        await asyncio.sleep(0)


class Memory(HistoryDict):
    """The history of a machine, by the name of its variables."""

    def __init__(self, past: Mapping[str, list[ua.DataValue]], *, most: int = 10_000) -> None:
        super().__init__(most)
        self._past = past

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        self._datachanges = {node_id: self._past[str(node_id.Identifier)]}
        return await super().read_node_history(node_id, start, end, nb_values)
