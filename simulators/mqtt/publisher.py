"""Publishes machines to a broker: the past first, as fast as it is taken, then each tick when it is due."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np

from simulators.columns import Value
from simulators.machine import Machine
from simulators.mqtt.broker import Broker
from simulators.mqtt.outbox import Outbox
from simulators.playback import Progress, play, progress_of, together, wall_clock_us
from simulators.schedule import Schedule
from simulators.telemetry import payload_of, series_of, time_text, topic_of, truth_payload, truth_topic_of
from simulators.truth import Truth
from simulators.wire import BadWire, Message, Wire, spoil

_LAST_WORDS_S = 5.0


async def publish(
    machines: Sequence[Machine],
    *,
    broker: Broker | None = None,
    rate: float = 1.0,
    since: datetime | None = None,
    until: datetime | None = None,
    speed: float = 1.0,
    stop: asyncio.Event | None = None,
    caught_up: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    wires: Mapping[str, Sequence[BadWire]] | None = None,
    truth: Sequence[Truth] | None = None,
    batch: int = 1,
) -> Progress:
    """Publish one JSON object a tick and machine on `lab/<asset>/telemetry`, QoS 1, until `until` or `stop`.

    The stretch from `since` to now goes first; `caught_up` is set once the broker has acknowledged all of it. Ticks
    that are late go out up to `batch` at once, then as a JSON array of the objects; a machine with a bad wire or a
    truth to tell sends each alone. A broker that is away is waited for. `wires` are the faults of each asset's wire;
    with `truth`, even an empty one, what is wrong with an asset is published on `lab/<asset>/truth`. The result says
    how much was played.
    """
    machines = together(machines)
    stop = stop or asyncio.Event()
    schedule = Schedule.of(now_us=wall_clock_us(), rate=rate, since=since, until=until, speed=speed)
    done = Progress()
    async with Outbox(broker or Broker()) as outbox:
        voices = [_Voice(machine, outbox, (wires or {}).get(machine.asset, ()), truth, batch) for machine in machines]

        async def past_is_in() -> None:
            for voice in voices:
                await voice.catch_up(stop)
            if await outbox.flush(stop) and caught_up is not None:
                caught_up.set()

        async for tick in play(machines, schedule, stop=stop, before_waiting=past_is_in):
            late = tick.behind_us > schedule.period_us
            said = [
                await voice.say(tick.time_us, values, stop, late=late)
                for voice, values in zip(voices, tick.values, strict=True)
            ]
            if not all(said):
                break
            done = progress_of(done, tick, outbox.refused)
            if progress is not None:
                progress(done)
        for voice in voices:
            await voice.end(stop)
        await outbox.flush(patience=_LAST_WORDS_S if stop.is_set() else None)
    return done


class _Voice:
    """One machine's messages on their way through its wire into the outbox."""

    def __init__(
        self, machine: Machine, outbox: Outbox, faults: Sequence[BadWire], truth: Sequence[Truth] | None, batch: int
    ) -> None:
        self._machine = machine
        self._outbox = outbox
        self._wire = Wire(machine.seed, faults)
        self._truth = tuple(one for one in truth or () if one.asset == machine.asset)
        self._tells = truth is not None
        self._topic = topic_of(machine)
        self._batch = batch if self._wire.sound and not self._tells else 1
        self._late: list[tuple[int, Sequence[Value]]] = []

    async def say(self, tick_us: int, values: Sequence[Value], stop: asyncio.Event, *, late: bool) -> bool:
        """Send what the wire brings of this tick, or keep it for a batch of late ones.

        False: `stop` was set before all of it was sent.
        """
        if self._batch > 1 and late:
            self._late.append((tick_us, values))
            return len(self._late) < self._batch or await self.catch_up(stop)
        if not await self.catch_up(stop):
            return False
        for message in self._wire.carry(tick_us):
            row = values if message.tick_us == tick_us else self._values_at(message.tick_us)
            if not await self._send(message, row, stop):
                return False
        if not self._tells:
            return True
        return await self._outbox.send(truth_topic_of(self._machine), truth_payload(tick_us, self._truth), stop)

    async def catch_up(self, stop: asyncio.Event) -> bool:
        """Send the late ticks that are kept. False: `stop` was set before there was room."""
        late, self._late = self._late, []
        return not late or await self._outbox.send(self._topic, series_of(self._machine, late), stop)

    async def end(self, stop: asyncio.Event) -> None:
        await self.catch_up(stop)
        for message in self._wire.rest():
            await self._send(message, self._values_at(message.tick_us), stop)

    async def _send(self, message: Message, values: Sequence[Value], stop: asyncio.Event) -> bool:
        payload = payload_of(self._machine, time_text(message.time_us), values)
        if message.spoilt is not None:
            payload = spoil(payload, message.spoilt)
        sent = await self._outbox.send(self._topic, payload, stop)
        if message.breaks_connection:
            self._outbox.break_connection()
        return sent

    def _values_at(self, tick_us: int) -> Sequence[Value]:
        return next(self._machine.at(np.array([tick_us], dtype=np.int64)).rows())[1]
