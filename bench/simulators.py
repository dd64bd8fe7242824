"""How fast machines are played: values generated on one core, and published by one process to a broker."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bench.figure import Experiment, Figure
from simulators.generate import samples_per_second
from simulators.machines import MACHINES
from simulators.mqtt import Broker, publish
from simulators.playback import Progress
from tests.servers.embedded_broker import embedded_broker
from tests.servers.engine import Engine

ASSETS, RATE, SECONDS = 1000, 10.0, 10.0

GENERATED = Figure(
    name="simulators.samples_per_second",
    meaning="values of all machine types that one core generates in a second, without a wire",
    least=200_000,
)
LOAD = Figure(
    name="simulators.load_messages_per_second",
    meaning=f"messages a second that one process publishes live, of {ASSETS} machines at {RATE:g} Hz asked for",
)
LATE = Figure(
    name="simulators.load_late_seconds",
    meaning="how late the latest tick of that load left",
)
BUSY = Figure(
    name="simulators.load_cores",
    meaning="processor time that the process took for each second of that load",
)


def _generate(_: Engine) -> Mapping[str, float]:
    return {GENERATED.name: samples_per_second(3.0)}


def _load(_: Engine) -> Mapping[str, float]:
    kinds = [*MACHINES.values()]
    machines = [kinds[n % len(kinds)](asset=f"load-{n}", seed=n) for n in range(ASSETS)]
    late = timedelta()
    with embedded_broker() as broker:

        async def drive() -> int:
            nonlocal late
            start = datetime.now(UTC) + timedelta(seconds=1)

            def told(done: Progress) -> None:
                nonlocal late
                late = max(late, done.behind)

            done = await publish(
                machines,
                broker=Broker(host=broker.host, port=broker.port),
                rate=RATE,
                since=start,
                until=start + timedelta(seconds=SECONDS),
                progress=told,
            )
            return done.ticks * len(machines)

        begun, busy = time.perf_counter(), time.process_time()
        messages = asyncio.run(drive())
        took = time.perf_counter() - begun - 1.0
        busy = time.process_time() - busy
    return {
        LOAD.name: messages / max(took, SECONDS),
        LATE.name: late.total_seconds(),
        BUSY.name: busy / max(took, SECONDS),
    }


EXPERIMENTS = (Experiment(figures=(GENERATED,), run=_generate), Experiment(figures=(LOAD, LATE, BUSY), run=_load))
