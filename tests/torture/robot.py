"""What can go wrong with an OPC UA server in particular: restarts, half messages, queues that overflow."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final
from unittest.mock import patch

from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription

from tests.torture.floor import Floor
from tests.torture.machines import QUEUE, Robot

RobotFault = Callable[[Floor, Robot, random.Random], Awaitable[str]]

Item = ua.MonitoredItemNotification

_OVERFLOW: Final = 0x480


async def robot_restarted(_: Floor, robot: Robot, chance: random.Random) -> str:
    """Stop the robot's server, and start it again with its namespace at another index; the robot counts on."""
    foreign = chance.randint(0, 4)
    await robot.restart(foreign=foreign, after=chance.uniform(0, 2))
    return f"the robot's server restarts, {foreign} other namespaces before its own"


async def cut_in_a_message(parts: Floor, _: Robot, chance: random.Random) -> str:
    """Cut the robot's cable within what its server says next."""
    allowed = chance.randint(1, 400)
    parts.opcua_cable.cut_after(allowed)
    await asyncio.sleep(chance.uniform(0.5, 1.5))
    return f"the robot's cable is cut after {allowed} bytes"


async def queue_overflowed(_: Floor, robot: Robot, chance: random.Random) -> str:
    """Have the robot count faster for a moment than its server's queue can hold."""
    many = QUEUE + chance.randint(1, 500)
    await robot.count_at_once(many)
    return f"{many} numbers come at once, {many - QUEUE} more than the queue holds"


FAULTS: Final[tuple[RobotFault, ...]] = (robot_restarted, cut_in_a_message, queue_overflowed)


def mark_overflows() -> None:
    """Have asyncua's server say where it dropped values, which it does not by itself (OPC 10000-4, 5.13.1.5)."""

    async def enqueue(
        _: InternalSubscription, mid: int, eventdata: Item, size: int, queue: dict[int, list[Item]]
    ) -> None:
        waiting = queue.setdefault(mid, [])
        waiting.append(eventdata)
        if 0 < size < len(waiting):
            del waiting[0]
            first = waiting[0]
            value = first.Value
            marked = ua.StatusCode(ua.UInt32((value.StatusCode.value if value.StatusCode else 0) | _OVERFLOW))
            waiting[0] = Item(
                ClientHandle=first.ClientHandle,
                Value=ua.DataValue(value.Value, marked, value.SourceTimestamp, value.ServerTimestamp),
            )

    patch.object(InternalSubscription, "_enqueue_event", enqueue).start()
