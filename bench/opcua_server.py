"""`python -m bench.opcua_server PORT ITEMS`: an OPC UA server that has values to send as fast as they are asked for.

asyncua speaks the protocol; the values, the same kind for each of its variables, are written by numpy, so that the
server is not what is measured. It says "ready"; a line "N BEGIN" on its standard input makes N values more, each
variable's first one at BEGIN, in microseconds since the Unix epoch.
"""

import asyncio
import sys
import threading
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server
from asyncua.server.uaprocessor import PublishRequestData

NAMESPACE: Final = "urn:fieldlab:bench"
BATCH: Final = 5_000
"""Values of one answer."""

STEP: Final = 1_000
"""Microseconds between two values of a variable."""

_DATA_CHANGE: Final = ua.NodeId(ua.Int32(811))
_SINCE_1601: Final = 11_644_473_600_000_000
_LAYOUT: Final = np.dtype(
    [("handle", "<u4"), ("mask", "u1"), ("kind", "u1"), ("value", "<f8"), ("source", "<i8"), ("server", "<i8")]
)
_VALUE_AND_TIMES: Final = 0x0D
_DOUBLE: Final = 11
_TOGETHER: Final = 100


class Values:
    """What is still to be sent: a number of values, over all variables in turn."""

    def __init__(self, items: int) -> None:
        self.left = 0
        self._items = items
        self._sent = 0
        self._begin = 0

    def order(self, many: int, begin: int) -> None:
        """Have so many values to send, from a moment on."""
        self.left, self._sent, self._begin = many, 0, begin

    def pop(self, handles: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> bytes:
        """Write the next values as a DataChangeNotification (OPC 10000-6, 5.2)."""
        many = min(self.left, BATCH)
        numbers = np.arange(self._sent, self._sent + many)
        rows = np.empty(many, _LAYOUT)
        rows["handle"] = handles[numbers % self._items]
        rows["mask"], rows["kind"] = _VALUE_AND_TIMES, _DOUBLE
        rows["value"] = numbers / 64
        rows["source"] = rows["server"] = (self._begin + numbers // self._items * STEP + _SINCE_1601) * 10
        self._sent += many
        self.left -= many
        return many.to_bytes(4, "little") + rows.tobytes() + (0).to_bytes(4, "little")


def _serve_from(values: Values) -> None:
    """Have every subscription send these values, one answer behind the other."""
    waits, pop, publish = (
        InternalSubscription.has_published_results,
        InternalSubscription._pop_triggered_datachanges,  # noqa: SLF001 - there is no other way in
        InternalSubscription.publish_results,
    )
    running: set[asyncio.Task[bool]] = set()

    def has_results(self: InternalSubscription) -> bool:
        return values.left > 0 or waits(self)

    def popped(self: InternalSubscription, result: ua.PublishResult) -> None:
        pop(self, result)
        if values.left:
            items = self.monitored_item_srv._monitored_items.values()  # noqa: SLF001
            handles = np.array([item.client_handle for item in items], np.uint32)
            body = ua.ByteString(values.pop(handles))
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(TypeId=_DATA_CHANGE, Body=body))

    async def published(self: InternalSubscription, requestdata: PublishRequestData | None = None) -> bool:
        sent = await publish(self, requestdata)
        if sent and values.left:
            task = asyncio.create_task(self.publish_results())
            running.add(task)
            task.add_done_callback(running.discard)
        return sent

    for name, hook in (
        ("has_published_results", has_results),
        ("_pop_triggered_datachanges", popped),
        ("publish_results", published),
    ):
        setattr(InternalSubscription, name, hook)


async def main(port: int, items: int) -> None:
    """Serve until standard input ends."""
    values, server = Values(items), Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = ua.Int16(await server.register_namespace(NAMESPACE))
    for number in range(items):
        if number % _TOGETHER == 0:  # asyncua looks at every node of a folder when it adds one
            folder = await server.nodes.objects.add_folder(index, f"f{number}")
        node_id = ua.NodeId(ua.String(f"v{number}"), index)
        await folder.add_variable(node_id, f"v{number}", -1.0)
    _serve_from(values)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin:
            many, begin = line.split()
            loop.call_soon_threadsafe(values.order, int(many), int(begin))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=listen, daemon=True).start()
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
