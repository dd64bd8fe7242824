"""Running a process until it is told to stop: Ctrl-C and SIGTERM end it cleanly, a second one at once."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def until_stopped(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run the work with an event that is set by the first SIGINT or SIGTERM; the second has its usual effect."""

    async def running() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def told(number: int) -> None:
            stop.set()
            loop.remove_signal_handler(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told, number)
        return await work(stop)

    return asyncio.run(running())
