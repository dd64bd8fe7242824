"""What an MQTT source may be told: its options, each checked before anything is opened."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.mqtt.payload import JsonPayload, Payload

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""The schemes of a source's URL, each with the port that goes without saying."""

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LONGEST_FILTER: Final = 65_535
_SHARED: Final = 3
"""Levels that a shared subscription has at least."""
_DAY: Final = 86_400


class Protocol(StrEnum):
    """The versions of MQTT that the connector speaks."""

    V5 = "5"
    V311 = "3.1.1"


def _filter(text: str) -> str:
    """Check a topic filter (MQTT 5.0, 4.7 and 4.8.2); a broker ends the connection for one that is wrong."""
    if not text or "\0" in text or len(text.encode()) > _LONGEST_FILTER:
        raise ValueError("A topic filter has 1 to 65,535 bytes and no NUL character")
    levels = text.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError("`#` stands alone in the last level of a topic filter, like lab/#")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("`+` stands alone in a level of a topic filter, like lab/+/telemetry")
    if levels[0] == "$share" and (len(levels) < _SHARED or levels[1] in {"", "+", "#"} or levels[2:] == [""]):
        raise ValueError("a shared subscription is written $share/<name>/<topic filter>, like $share/gateways/lab/#")
    return text


def _some(filters: tuple[str, ...]) -> tuple[str, ...]:
    """Want one filter at least; not asked where one is wrong, which is fault enough."""
    if not filters:
        raise ValueError("give one topic filter at least, like lab/#")
    return filters


def _client_id(text: str) -> str:
    if not _CLIENT_ID.fullmatch(text):
        raise ValueError("A client id has 1 to 128 letters, digits and - _ . : (other characters upset some brokers)")
    return text


def _version(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class MqttOptions(BaseModel):
    """The options of an MQTT source; `README.md` explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: Annotated[
        tuple[Annotated[str, AfterValidator(_filter)], ...],
        AfterValidator(_some),
        Field(json_schema_extra={"minItems": 1}),
    ]
    payload: Payload = JsonPayload()
    protocol: Annotated[Protocol, BeforeValidator(_version)] = Protocol.V5
    client_id: Annotated[str, AfterValidator(_client_id)] | None = None
    user: Annotated[str, Field(min_length=1)] | None = None
    password_env: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keep_alive: Annotated[int, Field(ge=5, le=3600)] = 30
    receive_maximum: Annotated[int, Field(ge=1, le=65_535)] = 4_000
    session_expiry_days: Annotated[float, Field(gt=0, le=365)] = 7.0

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.user is None and (self.password_env or self.password_file):
            raise ValueError("a password without options.user; give options.user too")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("options.cert_file and options.key_file go together; give both or none")
        return self

    @property
    def session_expiry(self) -> int:
        """Seconds for which the broker keeps the session of an absent gateway."""
        return int(self.session_expiry_days * _DAY)


def client_id(options: MqttOptions, *, client_name: str, slug: str) -> str:
    """Name the session at the broker: the same over restarts, and another for each gateway and source.

    Raises ValueError for a name that brokers do not take.
    """
    return options.client_id or _client_id(f"fieldlab-{client_name}-{slug}")
