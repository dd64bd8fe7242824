"""Publishes the frames of a mill's 10 kHz vibration channel."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from simulators.machines.mill import Mill
from simulators.mqtt.broker import Broker
from simulators.mqtt.outbox import Outbox
from simulators.playback import Progress, Waiter, together, wall_clock_us
from simulators.schedule import Schedule, moment
from simulators.vibration import FRAMES_HZ, RATE_HZ, frame, topic_of

_LAST_WORDS_S = 5.0


async def publish_frames(
    mills: Sequence[Mill],
    *,
    broker: Broker | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    caught_up: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Publish ten frames a second and mill on `lab/<asset>/vibration`, QoS 1; a frame goes out when it is full.

    A frame is about 8 kB of JSON: `{"time", "rate", "unit", "samples"}`. The rest is as for `publish`.
    """
    together(mills)
    stop = stop or asyncio.Event()
    schedule = Schedule.of(now_us=wall_clock_us(), rate=FRAMES_HZ, since=since, until=until)
    done = Progress()
    async with Outbox(broker or Broker()) as outbox:

        async def past_is_in() -> None:
            if await outbox.flush(stop) and caught_up is not None:
                caught_up.set()

        waiter = Waiter(schedule, stop, before_waiting=past_is_in)
        for times in schedule.chunks(FRAMES_HZ):
            for begin in times.tolist():
                behind = await waiter.due(begin + schedule.period_us)
                if behind is None:
                    await outbox.flush(patience=_LAST_WORDS_S)
                    return done
                for mill in mills:
                    await outbox.send(topic_of(mill), frame(mill, begin).json(), stop)
                done = Progress(
                    samples=done.samples + len(mills) * RATE_HZ // FRAMES_HZ,
                    ticks=done.ticks + 1,
                    at=moment(begin),
                    behind=timedelta(microseconds=behind),
                    refused=outbox.refused,
                )
                if progress is not None:
                    progress(done)
        await waiter.rest()
        await outbox.flush()
    return done
