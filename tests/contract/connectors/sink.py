"""The gateway's side of a connector, as a test plays it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from fieldlab.assets.description import Description
from fieldlab.ports import Connector, Delivery
from fieldlab.readings.gap import Gap
from fieldlab.readings.reject import Reject


class Sink:
    """Takes deliveries; calls each safe at once if `safe`, and waits in each while `room` is cleared."""

    def __init__(self, *, safe: bool = True) -> None:
        self.safe = safe
        self.room = asyncio.Event()
        self.room.set()
        self.deliveries: list[Delivery] = []
        self._changed = asyncio.Event()

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(replace(delivery, samples=delivery.rows, columns=None))
        self._changed.set()
        await self.room.wait()
        if self.safe:
            delivery.safe()

    def make_safe(self) -> None:
        """Call everything safe that was handed over."""
        for delivery in self.deliveries:
            delivery.safe()

    def values(self, address: str | None = None) -> list[float | None]:
        """Give the values handed over, of one address or of all, in order."""
        return [
            value
            for delivery in self.deliveries
            for at, value in zip(delivery.samples.addresses, delivery.samples.values, strict=True)
            if address in {None, at}
        ]

    @property
    def times(self) -> list[int]:
        return [time for delivery in self.deliveries for time in delivery.samples.times]

    @property
    def texts(self) -> list[str | None]:
        return [text for delivery in self.deliveries for text in delivery.samples.texts]

    @property
    def gaps(self) -> list[Gap]:
        return [gap for delivery in self.deliveries for gap in delivery.gaps]

    @property
    def rejects(self) -> list[Reject]:
        return [reject for delivery in self.deliveries for reject in delivery.rejects]

    @property
    def described(self) -> list[Description]:
        return [one for delivery in self.deliveries for one in delivery.described]

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Wait until what was handed over meets a condition; fails with what there is."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"not met within {seconds} s: values {self.values()[-20:]}, {len(self.values())} in all; "
                f"gaps {self.gaps}; rejects {self.rejects[:3]}"
            ) from None


async def wait_for(condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not met within {seconds} s")


@asynccontextmanager
async def running(connector: Connector, sink: Sink) -> AsyncIterator[asyncio.Task[None]]:
    """Run a connector until the end of the block; what it raises by itself is raised there."""
    task = asyncio.create_task(connector.run(sink))
    try:
        yield task
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))
