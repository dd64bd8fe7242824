"""A small lab as processes of its own, for figures of the whole: broker, machine, gateway, query service."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import yaml
from psycopg.sql import SQL, Identifier

from fieldlab.readings.instant import Instant
from simulators.machines import MACHINES
from tests.servers.broker import Broker
from tests.servers.child import Child, start, wait_for
from tests.servers.database import Database, clone, template
from tests.servers.embedded_broker import embedded_broker
from tests.servers.engine import Engine
from tests.servers.port import free_port
from tests.servers.scratch import scratch

MILL: Final = MACHINES["mill"](asset="mill-1", seed=1)


@dataclass
class Floor:
    """A lab with one simulated mill on an MQTT broker; its processes end with the context that made them."""

    database: Database
    broker: Broker
    place: Path
    processes: ExitStack
    health_port: int = 0
    api_port: int = 0
    gateway_process: Child | None = None

    def declare(self) -> None:
        """Declare the lab, with every signal of the mill bound."""
        streams = {
            signal.name: {
                "unit": signal.unit or "1",
                "kind": signal.kind.value,
                "address": f"lab/mill-1/telemetry#{signal.name}",
            }
            for signal in MILL.signals
        }
        lab = {
            "participants": {"lab": {"name": "The lab", "role": "operator"}},
            "sources": {
                "mqtt": {
                    "wire": "mqtt",
                    "url": f"mqtt://{self.broker.host}:{self.broker.port}",
                    "options": {"topics": ["lab/#"]},
                }
            },
            "assets": {
                "mill-1": {
                    "name": "Mill", "home_owner": "lab", "nature": "simulated", "source": "mqtt", "streams": streams,
                }
            },
        }  # fmt: skip
        (self.place / "lab.yaml").write_text(yaml.safe_dump(lab))
        self._once("apply", str(self.place / "lab.yaml"))

    def gateway(self) -> Child:
        """Start the gateway, and wait until its sources are connected."""
        self.health_port = free_port()
        child = self._stays(
            "gateway", "--port", str(self.health_port), "--directory", str(self.place / "gateway"),
            environment={"FIELDLAB_GATEWAY_DATABASE_URL": self.database.gateway},
        )  # fmt: skip
        wait_for(self._connected, "every source of the gateway is connected")
        self.gateway_process = child
        return child

    def api(self, *, scopes: Sequence[str] = ()) -> httpx.Client:
        """Start the query service; gives a client of the lab's operator, with the usual scopes or these."""
        self.api_port = free_port()
        self._stays("api", "--port", str(self.api_port), environment={"FIELDLAB_API_DATABASE_URL": self.database.api})
        wanted = [word for scope in scopes for word in ("--scope", scope)]
        token = self._once("key", "create", "--participant", "lab", *wanted).strip().splitlines()[0]
        headers = {"Authorization": f"Bearer {token}"}
        client = self.processes.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{self.api_port}", headers=headers)
        )
        wait_for(lambda: _answers(client), "the query service answers")
        return client

    def mill(self, *, rate: float, seconds: float) -> Child:
        """Start the mill: `rate` messages a second, each with all its signals."""
        url = f"mqtt://{self.broker.host}:{self.broker.port}"
        return self._stays("simulate", "mill", "--mqtt", url, "--rate", str(rate), "--seconds", str(seconds))

    def health(self) -> dict[str, Any]:
        """Give what the gateway says of itself."""
        answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.health_port}/healthz", timeout=10).json()
        return answer

    def resident(self) -> float:
        """Give the gateway's resident memory, in megabytes."""
        assert self.gateway_process is not None
        status = Path(f"/proc/{self.gateway_process.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Let no gateway into the database."""
        limit = SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
        with psycopg.connect(self.database.admin, autocommit=True) as connection:
            connection.execute(limit.format(Identifier(self.database.name), 0))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fieldlab_gateway'"
            )
            try:
                yield
            finally:
                connection.execute(limit.format(Identifier(self.database.name), -1))

    def _connected(self) -> bool:
        try:
            sources = self.health()["sources"]
        except httpx.TransportError:
            return False
        return bool(sources) and all(source["state"] == "connected" for source in sources.values())

    def _once(self, *words: str) -> str:
        environment = {**os.environ, "FIELDLAB_ADMIN_DATABASE_URL": self.database.admin}
        command = [sys.executable, "-m", "cli", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def _stays(self, *words: str, environment: Mapping[str, str] | None = None) -> Child:
        given = [f"{name}={value}" for name, value in (environment or {}).items()]
        child = start(
            words[0], ["env", *given, sys.executable, "-m", "cli", *words], log=self.place / f"{words[0]}.log"
        )
        self.processes.callback(child.stop)
        return child


@contextmanager
def floor(engine: Engine) -> Iterator[Floor]:
    """Give a lab with its broker; its other processes are started one by one."""
    with (
        template(engine) as migrated,
        clone(migrated) as database,
        embedded_broker() as broker,
        scratch(on_disk=True) as place,
        ExitStack() as processes,
    ):
        yield Floor(database=database, broker=broker, place=place, processes=processes)


def newest_of(client: httpx.Client, stream: str) -> Instant | None:
    """Ask the query service for the time of a stream's newest value."""
    rows = client.get("/v1/latest", params={"stream": stream}).json().get("rows")
    return Instant.parse(rows[0][0]) if rows else None


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
