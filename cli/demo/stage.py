"""The run of a demo: each part is started when what it needs is there, watched, and ended in reverse order."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.demo import parts, report
from cli.demo.child import Child
from cli.demo.parts import Database, Ports
from cli.demo.report import Counts, Report, fetch
from cli.demo.scene import MILL, ROBOT, SOURCES, WHO, Scene, prepare
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import MINUTE, Instant

_FIELDLAB: Final = (sys.executable, "-m", "cli")
_PATIENCE: Final = 60.0
_GLANCE: Final = 0.1


async def show(
    ports: Ports, directory: Path, *, console: Console, seconds: float | None, began: float, stop: asyncio.Event
) -> Report:
    """Run the demo until `stop` is set or `seconds` have passed, and report what came of it."""
    from migrations.runner import migrate

    with ExitStack() as last, ExitStack() as parts_running:
        with console.status("Starting PostgreSQL") as status:
            database = parts_running.enter_context(parts.database(directory / "database"))
            engine = migrate(database.admin_url, tell=status.update).engine
            status.update("Preparing the lab")
            scene = await prepare(database, ports, directory, Instant.now())
            status.update("Starting the machines, the gateway and the query service")
            stage = _Stage(ports, directory, database, scene, parts_running)
            await stage.open(stop)
        _introduce(console, ports, scene)
        until = None if seconds is None else began + seconds
        await stage.perform(console, stop, began, until)
        last.enter_context(console.status("Stopping: what is under way is stored first"))
        counts = await stage.close()
        api = f"http://127.0.0.1:{ports.api}"
        streams = await fetch(f"{api}/v1/streams?limit=100", scene.tokens["operator"])
        seen = await report.segments(api, scene, Instant.now())
    console.print("Stopped. The data is kept; the next demo goes on from here.")
    return Report(engine=engine.value, counts=counts, streams=len(streams["items"]), segments=seen)


class _Stage:
    def __init__(self, ports: Ports, directory: Path, database: Database, scene: Scene, running: ExitStack) -> None:
        self._ports = ports
        self._directory = directory
        self._database = database
        self._scene = scene
        self._running = running
        self._children: list[Child] = []
        self._machines: list[Child] = []

    async def open(self, stop: asyncio.Event) -> None:
        ports = self._ports
        self._keep(parts.broker(self._directory, ports))
        self._machine("robot", ROBOT, "--opcua", f"opc.tcp://127.0.0.1:{ports.opcua}")
        self._start(
            "gateway",
            ("gateway", "--port", str(ports.gateway), "--directory", str(self._directory / "gateway")),
            {"FIELDLAB_GATEWAY_DATABASE_URL": self._database.url("fieldlab_gateway")},
        )
        self._start(
            "api",
            ("api", "--port", str(ports.api)),
            {
                "FIELDLAB_API_DATABASE_URL": self._database.url("fieldlab_api"),
                "FIELDLAB_API_EXPORTS_DIRECTORY": str(self._directory / "exports"),
            },
        )
        await self._until("the gateway has connected to its sources", self._connected, stop)
        self._machine("mill", MILL, "--mqtt", f"mqtt://127.0.0.1:{ports.mqtt}")
        await self._until("the query service answers", self._answers, stop)

    async def perform(self, console: Console, stop: asyncio.Event, began: float, until: float | None) -> None:
        line = Text("waiting for the first samples")
        with Live(line, console=console, refresh_per_second=4, transient=True) as live:
            first = True
            while not stop.is_set() and (until is None or time.monotonic() < until):
                self._check()
                counts = await self._counts()
                if first and counts.stored:
                    console.print(f"First rows after {time.monotonic() - began:.1f} s.")
                    first = False
                live.update(Text(_line(counts)))
                left = 1.0 if until is None else max(min(1.0, until - time.monotonic()), 0.0)
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await stop.wait()

    async def close(self) -> Counts:
        for machine in self._machines:
            await asyncio.to_thread(machine.stop)
        counts = await self._counts()
        deadline = time.monotonic() + 5
        while counts.waiting and time.monotonic() < deadline:
            await asyncio.sleep(_GLANCE)
            counts = await self._counts()
        return counts

    def _machine(self, machine: str, asset: str, face: str, url: str) -> None:
        arguments = ("simulate", machine, "--asset", asset, face, url, "--from", str(self._scene.since))
        self._machines.append(self._start(machine, arguments, {}))

    def _start(self, name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Child:
        log = self._directory / f"{name}.log"
        return self._keep(Child.started(name, (*_FIELDLAB, *arguments), log=log, environment=environment))

    def _keep(self, child: Child) -> Child:
        self._running.callback(child.stop)
        self._children.append(child)
        return child

    def _check(self) -> None:
        for child in self._children:
            if not child.running:
                raise Unavailable(
                    f"The {child.name} has stopped by itself; the end of {child.log} says:\n{child.last_words()}"
                )

    async def _until(self, what: str, there: Callable[[], Awaitable[bool]], stop: asyncio.Event) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not stop.is_set():
            self._check()
            try:
                if await there():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise Unavailable(f"Waited {_PATIENCE:.0f} s until {what}, in vain; the logs are in {self._directory}.")
            await asyncio.sleep(_GLANCE)

    async def _connected(self) -> bool:
        return connected(await fetch(f"http://127.0.0.1:{self._ports.gateway}/healthz"))

    async def _answers(self) -> bool:
        return bool(await fetch(f"http://127.0.0.1:{self._ports.api}/readyz"))

    async def _counts(self) -> Counts:
        health = await fetch(f"http://127.0.0.1:{self._ports.gateway}/healthz")
        return Counts(
            stored=health["stored"],
            rejected=health["rejected"],
            waiting=health["waiting"],
            stored_by_source={slug: source["stored"] for slug, source in health["sources"].items()},
        )


def connected(health: dict[str, Any]) -> bool:
    """Tell whether the gateway has connected to the demo's own sources; those that a visitor added may be away."""
    sources = health.get("sources", {})
    return all(sources.get(slug, {}).get("state") == "connected" for slug in SOURCES)


def _line(counts: Counts) -> str:
    return (
        f"samples stored {counts.stored:,} · rejected {counts.rejected:,} · waiting {counts.waiting:,} · Ctrl-C stops"
    )


def _introduce(console: Console, ports: Ports, scene: Scene) -> None:
    api = f"http://127.0.0.1:{ports.api}"
    console.print(f"\nDocumentation, to try every route in the browser:  {api}/docs\n")
    for name, (participant, _, line) in WHO.items():
        label = name if name == participant else f"{name} ({participant})"
        console.print(f"  {label:<15} {scene.tokens[name]}  {line}", soft_wrap=True)
    minutes = (Instant.now() - scene.with_sme_a.until) // MINUTE
    console.print(
        f"\n{MILL} went from sme-a to sme-b at {scene.with_sme_a.until}, {minutes} minutes ago. Try:\n",
        soft_wrap=True,
    )
    long_enough = max(15, (Instant.now() - scene.with_sme_a.start) // MINUTE + 5)
    chart = f"{api}/v1/measurements?stream={MILL}.spindle_current"
    for name, url in (
        ("sme-a", f"{chart}&last={long_enough}m&step=1m&aggregate=mean,max,count"),
        ("sme-b", f"{chart}&last=15m&format=csv"),
        ("researcher", f"{chart}&last={long_enough}m&step=1m&aggregate=mean,count"),
        ("researcher", f"{api}/v1/latest?stream={ROBOT}.joint_1&stream={ROBOT}.power"),
    ):
        console.print(f"  curl -s -H 'Authorization: Bearer {scene.tokens[name]}' '{url}'", soft_wrap=True)
    console.print(
        f"\nPlug in a device of yours, which sends JSON to lab/<name>/telemetry: "
        f"MQTT 3.1.1 at 127.0.0.1:{ports.mqtt_311}, MQTT 5 at 127.0.0.1:{ports.mqtt}. What arrives:\n\n"
        f"  curl -s -H 'Authorization: Bearer {scene.tokens['operator']}' {api}/v1/discoveries\n",
        soft_wrap=True,
    )
