"""How machines are heard: from addresses on the command line to faces that can be played."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cli.simulate.plan import Plan
from simulators.errors import InvalidSettingError
from simulators.machines.mill import Mill
from simulators.mqtt.broker import Broker, MqttVersion
from simulators.playback import Progress

_PASSWORD: Final = "FIELDLAB_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable
_VERSIONS: Final = {"5": MqttVersion.V5, "3.1.1": MqttVersion.V311}
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

Tell = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Face:
    """One way in which machines are heard; `play` runs until the plan ends or the event is set."""

    name: str
    where: str
    play: Callable[[Plan, asyncio.Event, Tell], Coroutine[None, None, Progress]]


def broker(url: str, option: str, *, ca_file: Path | None = None, version: str = "5") -> Broker:
    """Read a broker's address; its password comes from the environment."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None if parts.scheme in _PORTS else 0
    if parts.scheme not in _PORTS or not parts.hostname or (port is None and _ends_in_port(parts.netloc)):
        raise InvalidSettingError(f"{option} {url!r} is not mqtt://[user@]host[:port], nor mqtts://")
    if parts.password is not None:
        raise InvalidSettingError(f"{option}: a password does not belong on a command line; put it in {_PASSWORD}")
    if parts.scheme == "mqtts" and ca_file is None:
        raise InvalidSettingError(f"{option} {url!r} needs --mqtt-ca: the file of certificates that the broker's is of")
    if version not in _VERSIONS:
        raise InvalidSettingError(f"--mqtt-version {version!r} is not known; it is 5 or 3.1.1")
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=parts.username,
        password=os.environ.get(_PASSWORD) if parts.username else None,
        ca_file=ca_file if parts.scheme == "mqtts" else None,
        version=_VERSIONS[version],
    )


def _ends_in_port(netloc: str) -> bool:
    return ":" in netloc.rpartition("@")[2].rpartition("]")[2]


def _mqtt(to: Broker, *, tells_truth: bool, batch: int) -> Face:
    """JSON telemetry over MQTT."""

    async def play(plan: Plan, stop: asyncio.Event, tell: Tell) -> Progress:
        from simulators.mqtt import publish

        return await publish(
            plan.machines,
            broker=to,
            rate=plan.span.rate,
            since=plan.span.since,
            until=plan.span.until,
            speed=plan.span.speed,
            stop=stop,
            progress=tell,
            wires=plan.wires,
            truth=plan.truth if tells_truth else None,
            batch=batch,
        )

    return Face(name="MQTT", where=f"lab/…/telemetry at {to}", play=play)


def _vibration(to: Broker) -> Face:
    """The mills' 10 kHz channel over MQTT."""

    async def play(plan: Plan, stop: asyncio.Event, tell: Tell) -> Progress:
        from simulators.mqtt import publish_frames

        mills = [machine for machine in plan.machines if isinstance(machine, Mill)]
        return await publish_frames(
            mills, broker=to, since=plan.span.since, until=plan.span.until, stop=stop, progress=tell
        )

    return Face(name="vibration", where=f"lab/…/vibration at {to}", play=play)


def _sparkplug(to: Broker, *, node: str, host: str | None) -> Face:
    """A Sparkplug B edge node with a device for each machine."""
    group, slash, name = node.partition("/")
    if not slash:
        raise InvalidSettingError(f"--sparkplug-node {node!r} is not GROUP/NODE, as in fieldlab/simulator")

    async def play(plan: Plan, stop: asyncio.Event, tell: Tell) -> Progress:
        from simulators import sparkplug

        return await sparkplug.publish(
            plan.machines,
            broker=to,
            identity=sparkplug.Identity(group=group, node=name, primary_host=host),
            rate=plan.span.rate,
            since=plan.span.since,
            until=plan.span.until,
            speed=plan.span.speed,
            stop=stop,
            progress=tell,
            wires=plan.wires,
        )

    return Face(name="Sparkplug", where=f"spBv1.0/{group}/…/{name} at {to}", play=play)


def _opcua(endpoint: str, *, certificates: Path | None, users: Path | None, is_open: bool, tells_truth: bool) -> Face:
    """An OPC UA server; with a folder of certificates encrypted, with a file of users only for them."""
    from simulators.opcua import Security, serve

    if urlsplit(endpoint).scheme != "opc.tcp":
        raise InvalidSettingError(f"--opcua {endpoint!r} is not opc.tcp://host:port")
    if users is not None and certificates is None:
        raise InvalidSettingError("--opcua-users needs --opcua-certificates, or passwords would go in the clear")
    security = Security(certificates=certificates, users=_users(users) if users else {}, open=is_open)

    async def play(plan: Plan, stop: asyncio.Event, tell: Tell) -> Progress:
        return await serve(
            plan.machines,
            endpoint=endpoint,
            rate=plan.span.rate,
            since=plan.span.since,
            until=plan.span.until,
            speed=plan.span.speed,
            stop=stop,
            progress=tell,
            wires=plan.wires,
            security=security,
            truth=plan.truth if tells_truth else None,
        )

    return Face(name="OPC UA", where=endpoint, play=play)


def heard(
    *,
    mqtt: str | None,
    sparkplug: str | None,
    opcua: str | None,
    mqtt_ca: Path | None,
    mqtt_version: str,
    mqtt_batch: int,
    node: str,
    host: str | None,
    vibration: bool,
    tells_truth: bool,
    certificates: Path | None,
    users: Path | None,
    is_open: bool,
) -> list[Face]:
    """Give the faces that the options ask for."""
    faces = []
    if mqtt is None and vibration:
        raise InvalidSettingError("--vibration is published over MQTT: give --mqtt")
    if mqtt is None and opcua is None and tells_truth:
        raise InvalidSettingError("--truth-stream is told over MQTT and OPC UA: give --mqtt or --opcua")
    if mqtt is not None:
        to = broker(mqtt, "--mqtt", ca_file=mqtt_ca, version=mqtt_version)
        faces.append(_mqtt(to, tells_truth=tells_truth, batch=mqtt_batch))
        if vibration:
            faces.append(_vibration(to))
    if sparkplug is not None:
        to = broker(sparkplug, "--sparkplug", ca_file=mqtt_ca, version=mqtt_version)
        faces.append(_sparkplug(to, node=node, host=host))
    if opcua is not None:
        faces.append(_opcua(opcua, certificates=certificates, users=users, is_open=is_open, tells_truth=tells_truth))
    return faces


def _users(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidSettingError(f"--opcua-users {file} cannot be read: {error.strerror}") from None
    users = {}
    for number, line in enumerate(lines, start=1):
        name, colon, password = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        if not (name and colon and password):
            raise InvalidSettingError(f"{file}, line {number} is not NAME:PASSWORD")
        users[name] = password
    if not users:
        raise InvalidSettingError(f"{file} names nobody: nobody could come in")
    return users
