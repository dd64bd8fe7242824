"""What an OPC UA source may be told: its options, each checked before anything is opened."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.opcua.address import parse
from fieldlab.errors import InvalidName

PORTS: Final = {"opc.tcp": 4840}
"""The scheme of a source's URL, with the port that goes without saying."""

_FILLINGS: Final = 4
"""Values that an item's queue must hold, in publishing intervals, so that a late answer loses none."""


def _node(address: str) -> str:
    """Check that an address names a node."""
    try:
        parse(address)
    except InvalidName as fault:
        raise ValueError(str(fault)) from None
    return address


class Security(StrEnum):
    """How messages are protected (OPC 10000-7, security policies); `none` has to be chosen in so many words."""

    NONE = "none"
    BASIC256SHA256 = "Basic256Sha256"
    AES128_SHA256_RSAOAEP = "Aes128Sha256RsaOaep"
    AES256_SHA256_RSAPSS = "Aes256Sha256RsaPss"


class Mode(StrEnum):
    """What the security policy is used for."""

    SIGN = "sign"
    SIGN_AND_ENCRYPT = "sign_and_encrypt"


class Take(BaseModel):
    """Variables that are taken without being bound one by one: all that fit every key that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Annotated[str, AfterValidator(_node)] | None = Field(
        default=None, description="Address of the node below which to look; below Objects if not given"
    )
    path: Annotated[str, Field(min_length=1, description="Browse names: * is any part of one, ** any number")] = "**"
    type: Annotated[str, AfterValidator(_node)] | None = Field(
        default=None, description="Address of a type: of the variable, or of an object above it"
    )


class OpcuaOptions(BaseModel):
    """The options of an OPC UA source; `README.md` explains each. Intervals are in milliseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    security: Security
    mode: Mode = Mode.SIGN_AND_ENCRYPT
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_certificate_file: Path | None = None
    application_uri: Annotated[str, Field(min_length=1)] = "urn:fieldlab:gateway"
    user: Annotated[str, Field(min_length=1)] | None = None
    password_env: str | None = None
    password_file: Path | None = None
    user_certificate_file: Path | None = None
    user_key_file: Path | None = None
    publishing_interval: Annotated[float, Field(ge=10, le=60_000)] = 250.0
    sampling_interval: Annotated[float, Field(ge=-1, le=3_600_000)] = 0.0
    queue_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    keep_alive: Annotated[float, Field(ge=200, le=600_000)] = 2_000.0
    lifetime: Annotated[float, Field(ge=10_000, le=86_400_000)] = 600_000.0
    items_per_call: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    take: tuple[Take, ...] = ()
    take_most: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    take_depth: Annotated[int, Field(ge=1, le=100)] = 20
    events: tuple[Annotated[str, AfterValidator(_node)], ...] = ()
    backfill: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=3_650))] = timedelta(0)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.user is None and (self.password_env or self.password_file):
            raise ValueError("a password without options.user; give options.user too")
        if (self.user_certificate_file is None) is not (self.user_key_file is None):
            raise ValueError("options.user_certificate_file and options.user_key_file belong together; give both")
        if self.user is not None and self.user_certificate_file is not None:
            raise ValueError("options.user and options.user_certificate_file are two ways to log in; give one of them")
        files = (self.certificate_file, self.key_file, self.server_certificate_file)
        if self.security is Security.NONE and files != (None, None, None):
            raise ValueError("options.security is none, and certificates are given; choose a policy or leave them out")
        if (self.certificate_file is None) is not (self.key_file is None):
            raise ValueError("options.certificate_file and options.key_file belong together; give both or neither")
        if self.keep_alive < self.publishing_interval:
            raise ValueError("options.keep_alive is shorter than options.publishing_interval; make it at least as long")
        if self.lifetime < 3 * self.keep_alive:
            raise ValueError("options.lifetime is shorter than three times options.keep_alive; make it longer")
        needed = _FILLINGS * self.publishing_interval / self.sampling_interval if self.sampling_interval > 0 else 0
        if self.queue_size < needed:
            raise ValueError(
                f"options.queue_size {self.queue_size} is too small: {_FILLINGS} publishing intervals hold "
                f"{needed:.0f} samples; make it that large"
            )
        return self

    @property
    def keep_alive_count(self) -> int:
        """Publishing intervals without data after which the server gives a sign of life."""
        return max(1, round(self.keep_alive / self.publishing_interval))

    @property
    def lifetime_count(self) -> int:
        """Publishing intervals for which the server keeps a subscription that nobody asks for."""
        return max(3 * self.keep_alive_count, round(self.lifetime / self.publishing_interval))
