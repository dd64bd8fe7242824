"""Tasks that go on for ever are ended for good."""

import asyncio
from contextlib import suppress

from api.stopping import stopped


async def test_a_loop_that_takes_a_cancellation_for_a_failure_is_ended_all_the_same() -> None:
    failures = 0

    async def loop() -> None:
        nonlocal failures
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if failures:
                    raise
                failures += 1

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    await stopped(task)
    assert task.cancelled()
    assert failures == 1


async def test_one_that_has_ended_already_is_no_trouble() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    with suppress(ValueError):
        await task
    await stopped(task)
