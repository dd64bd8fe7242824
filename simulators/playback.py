"""Plays machines tick by tick at the right moments; a face takes each tick and puts it on its wire."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.columns import Value
from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.schedule import Schedule, moment

_ROWS_AHEAD = 20_000
_LONGEST_CHUNK = 500


def wall_clock_us() -> int:
    """Give the time of this computer's clock, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """What every machine says at one time: one tuple of values a machine, in the order of its signals."""

    time_us: int
    behind_us: int
    values: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a playback has come: `behind` is what is left to now, `refused` what the other side turned down."""

    samples: int = 0
    ticks: int = 0
    at: datetime | None = None
    behind: timedelta = timedelta()
    refused: int = 0


def together(machines: Sequence[Machine]) -> tuple[Machine, ...]:
    """Check that machines can be played together: at least one, and no two of the same name."""
    names = [machine.asset for machine in machines]
    if not names:
        raise InvalidSettingError("no machine to play: name at least one")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidSettingError(f"two machines are called {twice[0]!r}: give each an asset name of its own")
    return tuple(machines)


class Waiter:
    """Waits for each tick of a schedule in turn.

    `before_waiting` is awaited once, as soon as nothing is left that is late: at the first wait, or at the end.
    """

    def __init__(
        self,
        schedule: Schedule,
        stop: asyncio.Event,
        clock: Callable[[], int] = wall_clock_us,
        before_waiting: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._schedule = schedule
        self._stop = stop
        self._clock = clock
        self._before_waiting = before_waiting

    async def due(self, tick_us: int) -> int | None:
        """Wait until a tick is due; give by how many microseconds it is late, or None if `stop` was set."""
        due = self._schedule.due_us(tick_us)
        behind = self._clock() - due
        if behind < 0:
            await self.rest()
            behind = self._clock() - due
        if behind < 0:
            await _sleep(-behind * 1e-6, self._stop)
        return None if self._stop.is_set() else max(behind, 0)

    async def rest(self) -> None:
        """Say that nothing is left that is late, if that was not said yet."""
        before_waiting, self._before_waiting = self._before_waiting, None
        if before_waiting is not None:
            await before_waiting()


async def play(
    machines: Sequence[Machine],
    schedule: Schedule,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int] = wall_clock_us,
    before_waiting: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Tick]:
    """Give each tick when it is due, until the schedule ends or `stop` is set.

    Late ticks follow one another at once; `before_waiting` as for `Waiter`.
    """
    waiter = Waiter(schedule, stop, clock, before_waiting)
    for times in schedule.chunks(min(max(_ROWS_AHEAD // len(machines), 1), _LONGEST_CHUNK)):
        rows = [machine.at(times).rows() for machine in machines]
        for played in zip(*rows, strict=True):
            tick_us = played[0][0]
            behind = await waiter.due(tick_us)
            if behind is None:
                return
            yield Tick(time_us=tick_us, behind_us=behind, values=tuple(values for _, values in played))
    await waiter.rest()


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    """Wait for the time to pass or for `stop`, whichever comes first."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def progress_of(before: Progress, tick: Tick, refused: int) -> Progress:
    """Add a tick to a progress."""
    return Progress(
        samples=before.samples + sum(len(values) for values in tick.values),
        ticks=before.ticks + 1,
        at=moment(tick.time_us),
        behind=timedelta(microseconds=tick.behind_us),
        refused=refused,
    )
