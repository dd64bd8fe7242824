"""How tasks that go on for ever are ended."""

import asyncio
from typing import Any, Final

_AGAIN: Final = 1.0
"""Seconds after which a task that goes on is cancelled once more."""


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended.

    Once need not be enough: a statement that is ended for it may fail at that moment for another reason, and a loop
    that survives failures takes that for one of them.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
