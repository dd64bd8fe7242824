"""`python -m tests.torture --kills 100 [--seed N]`: torture the gateway; the last line is a JSON object.

The first line names the seed. Ends with 0 if nothing was lost, nothing stands in the table twice, and the accounts
add up.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from tests.servers.broker import Broker
from tests.servers.embedded_broker import embedded_broker
from tests.servers.engine import Engine
from tests.servers.mosquitto import mosquitto
from tests.servers.plain import plain
from tests.servers.port import free_port
from tests.servers.timescaledb import timescaledb
from tests.servers.unavailable import Unavailable
from tests.torture import robot as robot_faults
from tests.torture.floor import Floor, floor
from tests.torture.machines import POISON, Publisher, Robot
from tests.torture.verdict import Verdict, judge

MESSAGES: Final = 100.0
"""MQTT messages a second."""

COUNTS: Final = 20.0
"""Values of each OPC UA node a second."""

PATIENCE: Final = 300.0
"""Seconds for everything to settle on a busy machine."""

Fault = Callable[[Floor, Publisher, random.Random], Awaitable[str]]


async def gateway_killed(parts: Floor, _: Publisher, chance: random.Random) -> str:
    """Kill the gateway, and start it again after a moment."""
    parts.kill_gateway()
    await asyncio.sleep(chance.choice([0.0, 0.0, 0.5, 2.0]))
    parts.start_gateway()
    return "the gateway is killed"


async def database_crashed(parts: Floor, _: Publisher, chance: random.Random) -> str:
    """Crash the database in mid-COPY, and let it recover after a moment."""
    await asyncio.to_thread(parts.server.crash)
    await asyncio.sleep(chance.uniform(0, 3))
    await asyncio.to_thread(parts.server.come_back)
    return "the database crashes"


async def broker_restarted(parts: Floor, _: Publisher, chance: random.Random) -> str:
    """Stop the broker, and start it again after a moment."""
    await asyncio.to_thread(parts.broker.stop)
    await asyncio.sleep(chance.uniform(0, 1))
    await asyncio.to_thread(parts.broker.start)
    return "the broker restarts"


async def link_cut(parts: Floor, _: Publisher, chance: random.Random) -> str:
    """Cut cables, some of them again and again."""
    cables = {"the broker": parts.mqtt_cable, "the robot": parts.opcua_cable, "the database": parts.database_cable}
    which = chance.choice([name for name, cable in cables.items() if cable is not None])
    for _turn in range(chance.randint(1, 5)):
        cable = cables[which]
        if cable is not None:
            cable.cut()
        await asyncio.sleep(chance.uniform(0, 0.3))
    return f"the link to {which} is cut"


async def disk_filled(parts: Floor, _: Publisher, chance: random.Random) -> str:
    """Fill the gateway's disk for a while."""
    with parts.full_disk():
        await asyncio.sleep(chance.uniform(0.2, 2))
    return "the disk is full"


async def poisoned(_: Floor, publisher: Publisher, chance: random.Random) -> str:
    """Send what no device should send."""
    for _turn in range(chance.randint(1, 5)):
        publisher.poison(chance.choice(POISON))
    return "poison arrives"


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many faults, of which about half kill the gateway")
    parser.add_argument("--seed", type=int, default=None, help="replays the faults of an earlier run")
    parser.add_argument("--robot", action="store_true", help="the OPC UA server restarts, breaks off and overflows too")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    _say(f"seed {seed}: python -m tests.torture --kills {given.kills} --seed {seed}{' --robot' * given.robot}")
    with ExitStack() as held:
        engine = _first(held, timescaledb, plain)
        broker = _broker(held)
        verdict = asyncio.run(torture(engine, broker, kills=given.kills, seed=seed, of_robot=given.robot))
    for fault in verdict.faults:
        _say(f"  {fault}")
    _say(json.dumps(verdict.line()))
    return 0 if verdict.good else 1


async def torture(engine: Engine, broker: Broker, *, kills: int, seed: int, of_robot: bool = False) -> Verdict:
    """Let the machines count while one fault after the other happens; then let everything settle, and judge."""
    chance, port = random.Random(seed), free_port()
    robot = Robot(port=port, rate=COUNTS)
    if of_robot:
        robot_faults.mark_overflows()
    await robot.start()
    async with floor(engine, broker, opcua_port=port) as parts:
        publisher = Publisher(host=broker.host, port=broker.port_311, rate=MESSAGES)
        faults: list[Fault] = [gateway_killed] * 4 + [database_crashed, link_cut, link_cut, disk_filled, poisoned]
        if broker.keeps_sessions_over_restart:
            faults.append(broker_restarted)
        if of_robot:
            faults += [_of(robot, fault) for fault in robot_faults.FAULTS]
        if not parts.disk_is_small:
            faults.remove(disk_filled)
            _say("without full disks: a small file system can be mounted by root alone")
        parts.start_gateway()
        await _until(lambda: _connected(parts), "both sources are connected")
        publisher.start()
        robot.begin()
        await _until(lambda: _heard(parts), "both sources are heard")
        for at in range(kills):
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            said = await chance.choice(faults)(parts, publisher, chance)
            _say(f"{at + 1:4}/{kills} {said}")
        await _until(lambda: _connected(parts), "both sources are connected again")
        await robot.finish()
        await asyncio.to_thread(publisher.finish)
        await _until(lambda: _settled(parts, publisher), "nothing waits")
        verdict = Verdict(kills=kills)
        health = await asyncio.to_thread(parts.health)
        waiting = {name: source["waiting"] for name, source in health["sources"].items()} if health else {}
        judge(parts.database, verdict, {"mill": publisher.times, "robot": robot.times}, waiting)
        if verdict.faults:
            _say(parts.gateway.tail() if parts.gateway else "")
    await robot.stop()
    parts.server.child.stop()
    return verdict


def _of(robot: Robot, fault: robot_faults.RobotFault) -> Fault:
    async def done(parts: Floor, _: Publisher, chance: random.Random) -> str:
        return await fault(parts, robot, chance)

    return done


def _connected(parts: Floor) -> bool:
    health = parts.health()
    states = [source["state"] for source in health["sources"].values()] if health else []
    return states == ["connected", "connected"]


def _heard(parts: Floor) -> bool:
    """Tell whether something of each source is stored: what comes before the first contact, nobody promised."""
    health = parts.health()
    return health is not None and all(source["stored"] for source in health["sources"].values())


_last: dict[str, float] = {}


def _settled(parts: Floor, publisher: Publisher) -> bool:
    """Tell whether nothing but held samples waits, and nothing has come in for some seconds."""
    health = parts.health()
    if health is None:
        return False
    received = sum(source["received"] for source in health["sources"].values())
    if _last.get("received") != received:
        _last.update(received=received, since=time.monotonic())
    return time.monotonic() - _last["since"] > 5 and health["waiting"] <= len(publisher.times) * 0.01


async def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(true):
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:.0f} s until {what}, in vain")
        await asyncio.sleep(0.1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _first(held: ExitStack, *servers: Callable[..., AbstractContextManager[Engine]]) -> Engine:
    for server in servers:
        try:
            return held.enter_context(server(durable=True))
        except Unavailable as reason:
            _say(f"without {server.__name__}: {reason}")
    raise SystemExit("there is no database to torture")


def _broker(held: ExitStack) -> Broker:
    try:
        return held.enter_context(mosquitto())
    except Unavailable as reason:
        _say(f"without restarts of the broker: {reason}")
        return held.enter_context(embedded_broker())


if __name__ == "__main__":
    sys.exit(main())
