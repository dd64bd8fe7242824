"""`fieldlab simulate`: machines for trials, load and tests."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from cli.moment import moment_past
from simulators.mqtt.broker import Broker

_PASSWORD: Final = "FIELDLAB_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable


def simulate(
    machine: Annotated[
        str, typer.Argument(help="Which machine to play: mill, robot or another; a wrong name lists them all.")
    ],
    asset: Annotated[str | None, typer.Option(help="Its name on the wire. [default: the machine's and -1]")] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Publish JSON over MQTT to mqtt://[user@]host[:port], topic lab/ASSET/telemetry."
        ),
    ] = None,
    opcua: Annotated[
        str | None, typer.Option(metavar="URL", help="Serve OPC UA at opc.tcp://host:port, nodes s=ASSET/SIGNAL.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.001, max=1000, help="Ticks a second.")] = 1.0,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            parser=moment_past,
            metavar="TIME",
            help="First play the past from here at full speed: an RFC 3339 time, or 10m, 2h, 7d back.",
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after this long; otherwise on Ctrl-C.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same values to the bit.")] = 1,
) -> None:
    """Play a machine over MQTT, OPC UA, or both at once.

    A broker's password is taken from FIELDLAB_SIMULATOR_PASSWORD.
    """
    from cli.stop import until_stopped
    from simulators.errors import SimulatorError
    from simulators.machines import MACHINES

    if machine not in MACHINES:
        raise typer.BadParameter(
            f"there is no machine {machine!r}; choose {', '.join(MACHINES)}.", param_hint="MACHINE"
        )
    if mqtt is None and opcua is None:
        raise typer.BadParameter("say how it is heard: --mqtt mqtt://127.0.0.1:1883, --opcua opc.tcp://127.0.0.1:4840.")
    played = MACHINES[machine](asset=asset or f"{machine}-1", seed=seed)
    now = datetime.now(UTC)
    until = now + timedelta(seconds=seconds) if seconds is not None else None

    broker = _broker(mqtt) if mqtt is not None else None

    async def faces(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            if broker is not None:
                from simulators.mqtt import publish

                group.create_task(publish([played], broker=broker, rate=rate, since=start, until=until, stop=stop))
            if opcua is not None:
                from simulators.opcua import serve

                group.create_task(serve([played], endpoint=opcua, rate=rate, since=start, until=until, stop=stop))

    try:
        until_stopped(faces)
    except* SimulatorError as errors:
        typer.echo(f"fieldlab simulate: {errors.exceptions[0]}", err=True)
        raise typer.Exit(1) from None


def _broker(url: str) -> Broker:
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname:
        raise typer.BadParameter(f"{url!r} is not mqtt://[user@]host[:port].", param_hint="--mqtt")
    password = os.environ.get(_PASSWORD) if parts.username else None
    return Broker(host=parts.hostname, port=parts.port or 1883, user=parts.username, password=password)
