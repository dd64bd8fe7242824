"""The parts that are tortured: a database, a broker, the gateway, and the cables between them."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import yaml

from tests.contract.connectors.relay import Relay, relay
from tests.servers.broker import Broker
from tests.servers.child import Child, start
from tests.servers.database import Database, clone, template
from tests.servers.engine import Engine, answers
from tests.servers.port import free_port
from tests.torture.machines import MQTT_STREAMS, NAMESPACE, OPCUA_STREAMS, QUEUE

_DISK: Final = "24m"
_PACE: Final = 0.05


@dataclass
class Server:
    """The database server, which can be killed and comes back with its data."""

    engine: Engine
    child: Child

    def crash(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: at once, in whatever it is doing."""
        self.child.process.send_signal(signal.SIGQUIT)
        self.child.process.wait()

    def come_back(self) -> None:
        """Start it again on the same data; returns when it answers."""
        process = self.child.process
        user = pwd.getpwnam("nobody").pw_uid if _as_nobody(process) else None
        with self.child.log.open("ab") as log:
            again = subprocess.Popen(
                process.args, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, user=user, group=user,
                extra_groups=None if user is None else [], start_new_session=True,
            )  # fmt: skip
        self.child = Child(name=self.child.name, process=again, log=self.child.log, stop_signal=signal.SIGQUIT)
        self.child.wait_until(answers(self.engine.admin_url), seconds=60)


def _as_nobody(process: "subprocess.Popen[bytes]") -> bool:
    return os.geteuid() == 0 and isinstance(process.args, list) and "unshare" not in " ".join(map(str, process.args))


@dataclass
class Floor:
    """What a fault can be done to."""

    database: Database
    server: Server
    broker: Broker
    mqtt_cable: Relay
    opcua_cable: Relay
    database_cable: Relay | None
    place: Path
    disk: Path
    disk_is_small: bool
    health_port: int
    gateway: Child | None = None

    def declare(self) -> None:
        """Declare the lab, with a stream for each number."""
        mqtt = {f"n{at}": {"address": f"torture/mqtt#n{at}"} for at in range(MQTT_STREAMS)}
        opcua = {f"n{at}": {"address": f"nsu={NAMESPACE};s=n{at}"} for at in range(OPCUA_STREAMS)}
        lab = {
            "participants": {"lab": {"name": "The lab", "role": "operator"}},
            "sources": {
                "mqtt": {
                    "wire": "mqtt", "url": f"mqtt://127.0.0.1:{self.mqtt_cable.port}",
                    "options": {"topics": ["torture/#"], "protocol": "3.1.1"},
                },
                "opcua": {
                    "wire": "opcua", "url": f"opc.tcp://127.0.0.1:{self.opcua_cable.port}",
                    "options": {"security": "none", "publishing_interval": 100, "queue_size": QUEUE},
                },
            },
            "assets": {
                "mill": {"name": "Mill", "home_owner": "lab", "source": "mqtt", "streams": mqtt},
                "robot": {"name": "Robot", "home_owner": "lab", "source": "opcua", "streams": opcua},
            },
        }  # fmt: skip
        path = self.place / "lab.yaml"
        path.write_text(yaml.safe_dump(lab))
        environment = {**os.environ, "FIELDLAB_ADMIN_DATABASE_URL": self.database.admin}
        subprocess.run(
            [sys.executable, "-m", "cli", "apply", str(path)], env=environment, check=True, capture_output=True
        )

    def start_gateway(self) -> None:
        """Start the gateway on its spool; does not wait for it."""
        url = f"FIELDLAB_GATEWAY_DATABASE_URL={self._database_url()}"
        command = ["env", url, sys.executable, "-m", "cli", "gateway", "--port", str(self.health_port)]
        self.gateway = start(
            "gateway", [*command, "--directory", str(self.disk / "spool")], log=self.place / "gateway.log"
        )

    def _database_url(self) -> str:
        """Give the way to the database by the cable, if it is reached by TCP."""
        url = urlsplit(self.database.gateway)
        if self.database_cable is None:
            return self.database.gateway
        place = f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{self.database_cable.port}"
        return urlunsplit(url._replace(netloc=place))

    def kill_gateway(self) -> None:
        """End it as a power cut would."""
        assert self.gateway is not None
        self.gateway.kill()

    def health(self) -> dict[str, Any] | None:
        """Give what the gateway says of itself, if it says anything."""
        with contextlib.suppress(httpx.TransportError):
            answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.health_port}/healthz", timeout=5).json()
            return answer
        return None

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let the gateway's disk, which must be small, be full."""
        assert self.disk_is_small
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65_536))
        try:
            yield
        finally:
            filler.unlink()


@asynccontextmanager
async def floor(engine: Engine, broker: Broker, *, opcua_port: int) -> AsyncIterator[Floor]:
    """Give the parts with a migrated database and a declared lab; the gateway is not started yet."""
    assert engine.child is not None, "the database must be a server of our own"
    async with AsyncExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="fieldlab-torture-")))
        disk, small = held.enter_context(_small_disk(place))
        migrated = held.enter_context(template(engine))
        database = held.enter_context(clone(migrated))
        server = Server(engine=engine, child=engine.child)
        url, cable = urlsplit(database.gateway), None
        if url.hostname and url.port:
            cable = await held.enter_async_context(relay(url.hostname, url.port))
        parts = Floor(
            database=database,
            server=server,
            broker=broker,
            mqtt_cable=await held.enter_async_context(relay(broker.host, broker.port_311)),
            opcua_cable=await held.enter_async_context(relay("127.0.0.1", opcua_port)),
            database_cable=cable,
            place=place,
            disk=disk,
            disk_is_small=small,
            health_port=free_port(),
        )
        parts.declare()
        try:
            yield parts
        finally:
            if parts.gateway is not None:
                parts.gateway.stop()


@contextmanager
def _small_disk(place: Path) -> Iterator[tuple[Path, bool]]:
    """Give a file system that is soon full, and True, where this machine can have one; else a directory, and False."""
    disk, mounted = place / "disk", False
    disk.mkdir()
    if os.geteuid() == 0 and shutil.which("mount") is not None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(disk)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield disk, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
