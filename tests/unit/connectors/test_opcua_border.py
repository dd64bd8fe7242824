"""What asyncua and the network do at our border."""

import asyncio
from contextlib import suppress

from connectors.opcua.border import heed_cancellation


async def test_a_cancellation_that_was_lost_on_the_way_is_heeded() -> None:
    async def connecting() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        heed_cancellation()

    task = asyncio.create_task(connecting())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


async def test_who_was_not_cancelled_goes_on() -> None:
    heed_cancellation()
