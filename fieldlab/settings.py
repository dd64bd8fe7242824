"""What a process is told from outside: environment variables named FIELDLAB_…, checked before anything opens."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self, cast

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fieldlab.assets.participant import Permission
from fieldlab.errors import InvalidSettings


class _FromEnvironment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FIELDLAB_", extra="ignore", frozen=True)

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the environment; `given` wins over it, None counts as not given.

        Raises InvalidSettings naming the key.
        """
        build = cast("Callable[..., Self]", cls)
        try:
            return build(**{key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            fault = error.errors()[0]
            key = f"FIELDLAB_{'_'.join(str(part) for part in fault['loc']).upper()}"
            if fault["type"] == "missing":
                raise InvalidSettings(f"{key}: not given; set it in the environment, or see --help.") from None
            raise InvalidSettings(f"{key}: {fault['msg']}.") from None


class MigrateSettings(_FromEnvironment):
    """For `fieldlab migrate` and the other commands that manage the lab: a user who may create roles and extensions."""

    admin_database_url: SecretStr
    gateway_password: SecretStr | None = None
    api_password: SecretStr | None = None
    maintainer_password: SecretStr | None = None


class GatewaySettings(_FromEnvironment):
    """For `fieldlab gateway`."""

    gateway_database_url: SecretStr
    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65535)] = 8001
    gateway_directory: Path = Path(".fieldlab/gateway")


class ApiSettings(_FromEnvironment):
    """For `fieldlab api`."""

    api_database_url: SecretStr
    api_host: str = "127.0.0.1"
    api_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_connections: Annotated[int, Field(ge=1, le=100)] = 8
    api_requests_per_minute: Annotated[int, Field(ge=0)] = 6000
    api_cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    api_oidc_issuer: str | None = None
    api_oidc_audience: str | None = None
    api_oidc_key: SecretStr | None = None
    api_oidc_participant_claim: str = "participant"
    api_oidc_participants: dict[str, str] | None = None
    api_oidc_role_claim: str = "roles"
    api_oidc_roles: dict[str, tuple[Permission, ...]] | None = None
    api_live_readers: Annotated[int, Field(ge=0, le=100_000)] = 2000

    @field_validator("api_cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    api_exports_directory: Path = Path(".fieldlab/exports")
    api_exports_hours: Annotated[int, Field(ge=1, le=8760)] = 72
