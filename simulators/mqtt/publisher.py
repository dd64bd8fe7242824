"""Publishes machines to a broker: the past first, as fast as it is taken, then each tick when it is due."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from simulators.machine import Machine
from simulators.mqtt.broker import Broker
from simulators.mqtt.outbox import Outbox
from simulators.playback import Progress, play, progress_of, together, wall_clock_us
from simulators.schedule import Schedule
from simulators.telemetry import payload_of, time_text, topic_of

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
) -> Progress:
    """Publish one JSON object a tick and machine on `lab/<asset>/telemetry`, QoS 1, until `until` or `stop`.

    The stretch from `since` to now goes first; `caught_up` is set once the broker has acknowledged all of it. A broker
    that is away is waited for. The result says how much was published.
    """
    machines = together(machines)
    stop = stop or asyncio.Event()
    schedule = Schedule.of(now_us=wall_clock_us(), rate=rate, since=since, until=until, speed=speed)
    topics = [topic_of(machine) for machine in machines]
    done = Progress()
    async with Outbox(broker or Broker()) as outbox:

        async def past_is_in() -> None:
            if await outbox.flush(stop) and caught_up is not None:
                caught_up.set()

        async for tick in play(machines, schedule, stop=stop, before_waiting=past_is_in):
            time = time_text(tick.time_us)
            for machine, topic, values in zip(machines, topics, tick.values, strict=True):
                if not await outbox.send(topic, payload_of(machine, time, values), stop):
                    break
            done = progress_of(done, tick, outbox.refused)
            if progress is not None:
                progress(done)
        await outbox.flush(patience=_LAST_WORDS_S if stop.is_set() else None)
    return done
