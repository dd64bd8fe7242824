"""A source that a test plays: a server of one wire, and a machine that sends numbers over it."""

from collections.abc import Sequence
from typing import Protocol

from fieldlab.assets.source import Options, Source
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant

START = Instant.parse("2026-11-21T08:00:00Z")
STEP = 1_000
"""Microseconds between two values that a plant sends."""


def time_of(value: float) -> Instant:
    """When a value was measured: each number has a time of its own."""
    return Instant(START + int(value) * STEP)


class Plant(Protocol):
    """One source and its server."""

    address: str
    """Where the numbers are."""

    begins_with_a_value: bool
    """Whether the source hands over the present value, 0, before any is sent."""

    cause: Cause | None
    """The gap that a restart of the server leaves; None where the server keeps everything."""

    def source(self, **options: object) -> Source:
        """Describe the source as configured, with options of the wire beyond those it needs."""

    def held_back(self, most: int) -> Options:
        """Give the options with which the source waits after about `most` values that are not safe."""

    async def start(self) -> None:
        """Start the server; a new plant's server runs."""

    async def stop(self) -> None:
        """Stop the server."""

    async def send(self, values: Sequence[float]) -> None:
        """Have the machine measure values, each at `time_of` it, and see them off."""

    def again(self, values: Sequence[float]) -> list[float]:
        """Tell which of the values a new connector gets when none of them was called safe."""
