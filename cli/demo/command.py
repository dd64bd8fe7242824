"""`fieldlab demo`: starts every part in order, shows what to try, keeps a line of status, stops every part in order."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from cli.demo.parts import Ports, port_beside
from cli.demo.place import kept_in
from cli.demo.report import Report
from cli.demo.stage import show
from cli.stop import until_stopped

_DIRECTORY: Final = Path(".fieldlab/demo")


def demo(
    *,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop by itself after this long; otherwise on Ctrl-C.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end, and nothing else there.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what earlier demos kept, and start over.")] = False,
    directory: Annotated[Path, typer.Option(help="Where everything is kept.")] = _DIRECTORY,
    api_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the query service and its documentation.")
    ] = 8000,
    mqtt_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MQTT broker, for MQTT 5.")] = 1883,
    mqtt_311_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Its port for MQTT 3.1.1, which most devices speak. [default: the next one, if free]"
        ),
    ] = None,
    opcua_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the robot's OPC UA server.")] = 4840,
    gateway_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the gateway's /healthz and /metrics.")
    ] = 8001,
) -> None:
    """Show everything on this machine: database, broker, two simulated machines, gateway and query service.

    No root, no container, no internet. The last ten minutes are filled in first, with a hand-over of the mill from one
    company to another within them; then the machines go on live. Ctrl-C stops everything; the data is kept.
    """
    console = Console(stderr=as_json, highlight=False)
    ports = Ports(
        api=api_port,
        mqtt=mqtt_port,
        mqtt_311=port_beside(mqtt_port) if mqtt_311_port is None else mqtt_311_port,
        opcua=opcua_port,
        gateway=gateway_port,
    )
    ports.check()
    began = time.monotonic()
    with kept_in(directory, fresh=fresh) as place:

        async def shown(stop: asyncio.Event) -> Report:
            return await show(ports, place, console=console, seconds=seconds, began=began, stop=stop)

        report = until_stopped(shown)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
