"""The broker a machine publishes to, and how it makes itself known there."""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from simulators.errors import InvalidSettingError

_LAST_PORT = 65_535


class MqttVersion(IntEnum):
    """Versions of MQTT, by the protocol level that CONNECT carries."""

    V311 = 4
    V5 = 5


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where and as whom to connect. With `ca_file` the connection is TLS and the broker must show a certificate of it.

    Without `client_id` each connection makes one up.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str | None = None
    version: MqttVersion = MqttVersion.V5
    ca_file: Path | None = None
    keep_alive: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.port <= _LAST_PORT:
            raise InvalidSettingError(f"port={self.port} is not a TCP port: give one between 1 and 65535, as 1883")
        if self.password is not None and self.user is None:
            raise InvalidSettingError("a password without a user: give user as well")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
