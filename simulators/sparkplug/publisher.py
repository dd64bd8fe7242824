"""Publishes machines as the devices of one Sparkplug edge node."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from simulators.machine import Machine
from simulators.mqtt.broker import Broker
from simulators.playback import Progress, play, progress_of, together, wall_clock_us
from simulators.schedule import Schedule
from simulators.sparkplug.device import Device
from simulators.sparkplug.edge import EdgeNode
from simulators.sparkplug.identity import Identity
from simulators.wire import BadWire


async def publish(
    machines: Sequence[Machine],
    *,
    broker: Broker | None = None,
    identity: Identity | None = None,
    rate: float = 1.0,
    since: datetime | None = None,
    until: datetime | None = None,
    speed: float = 1.0,
    stop: asyncio.Event | None = None,
    caught_up: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    wires: Mapping[str, Sequence[BadWire]] | None = None,
) -> Progress:
    """Publish machines as devices, named by their assets, until `until` or `stop`.

    Data are reported by exception: only what changed since the last tick. Ticks that are late (a past, or what a host
    or broker missed while it was away) carry `is_historical`. While nobody can hear, the play waits. Sparkplug's data
    are QoS 0: `caught_up` says that the past is on the wire, not that it arrived. `wires` are the faults of each
    asset's wire; births always go through, and what a wire loses takes its sequence number with it.
    """
    machines = together(machines)
    stop = stop or asyncio.Event()
    schedule = Schedule.of(now_us=wall_clock_us(), rate=rate, since=since, until=until, speed=speed)
    done = Progress()
    devices, alias = [], 1
    for machine in machines:
        devices.append(Device(machine, alias, (wires or {}).get(machine.asset, ())))
        alias += len(machine.signals)
    async with EdgeNode(broker or Broker(), identity or Identity(), devices) as node:

        async def past_is_out() -> None:
            await node.ready(stop)
            if caught_up is not None and not stop.is_set():
                caught_up.set()

        async for tick in play(machines, schedule, stop=stop, before_waiting=past_is_out):
            await node.ready(stop)
            if stop.is_set():
                break
            late = wall_clock_us() - schedule.due_us(tick.time_us) > schedule.period_us
            node.tell(tick.time_us, tick.values, historical=late)
            if late:
                await asyncio.sleep(0)
            done = progress_of(done, tick, refused=0)
            if progress is not None:
                progress(done)
        node.end()
    return done
