"""compose.yaml and the Dockerfile: valid, pinned, without a secret of their own, and made of commands that exist."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml
from pydantic_settings import BaseSettings
from typer.core import TyperGroup
from typer.main import get_command

from cli.apply import read_lab
from cli.main import app
from connectors.mqtt.config import MqttOptions
from fieldlab.assets.source import Wire
from fieldlab.settings import ApiSettings, GatewaySettings, MigrateSettings
from simulators.machines import MACHINES
from tests.architecture.checkout import ROOT, product_packages

TEXT = (ROOT / "compose.yaml").read_text()
STACK: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
STAYING = [name for name, service in SERVICES.items() if "restart" in service]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LAB = ROOT / "docs" / "examples" / "lab.yaml"
SIMULATOR_PASSWORD = "FIELDLAB_SIMULATOR_PASSWORD"
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")
PINNED = re.compile(r"^[a-z/-]+:\d+\.\d+\.\d+(-[a-z0-9-]+)?$")


def strings(node: object) -> Iterator[str]:
    """Every string below a node."""
    if isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def names(settings: type[BaseSettings]) -> set[str]:
    return {f"FIELDLAB_{field.upper()}" for field in settings.model_fields}


def test_the_stack_is_what_the_architecture_says() -> None:
    assert {"timescaledb", "mosquitto", "migrate", "apply", "gateway", "api", "mill", "robot"} <= SERVICES.keys()
    assert {name for name in SERVICES if "simulators" in SERVICES[name].get("profiles", [])} == {"mill", "robot"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_pinned_to_a_patch_version(service: str) -> None:
    assert PINNED.match(SERVICES[service]["image"])


def test_the_image_of_the_platform_stands_on_a_pinned_one_and_runs_as_nobody_special() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(PINNED.match(base) for base in bases)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1] not in {"root", "0"}


@pytest.mark.parametrize("package", product_packages())
def test_the_image_of_the_platform_holds_every_package(package: str) -> None:
    assert f"\nCOPY {package} {package}\n" in DOCKERFILE
    assert f"\n!{package}\n" in (ROOT / ".dockerignore").read_text()


def test_no_secret_has_a_default() -> None:
    secrets = {(name, rest) for name, rest in VARIABLE.findall(TEXT) if "PASSWORD" in name}
    assert secrets
    assert {(name, rest) for name, rest in secrets if not rest.startswith(":?") or len(rest) < 10} == set()


def test_no_secret_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert VARIABLE.fullmatch(value)
    in_urls = {
        re.sub(VARIABLE, "", password) for text in strings(STACK) for password in re.findall(r"://\w+:([^@]*)@", text)
    }
    assert in_urls == {""}


@pytest.mark.parametrize("service", STAYING)
def test_what_stays_tells_whether_it_is_well(service: str) -> None:
    if service == "mill":
        return  # it listens nowhere: a mill that is not heard shows at the gateway
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("service", OURS)
def test_the_platform_has_no_more_rights_than_it_needs(service: str) -> None:
    definition = SERVICES[service]
    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_is_open_to_this_machine_alone_unless_told_otherwise(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert re.match(r"^\$\{\w+_ADDRESS:-127\.0\.0\.1\}:", port)


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_waits_for_can_come_true(service: str) -> None:
    for name, wait in SERVICES[service].get("depends_on", {}).items():
        assert wait["condition"] == ("service_healthy" if name in STAYING else "service_completed_successfully")
        assert "profiles" not in SERVICES[name]


@pytest.mark.parametrize("service", OURS)
def test_a_command_of_the_stack_is_one_that_the_product_has(service: str) -> None:
    definition = SERVICES[service]
    words = [*definition.get("entrypoint", ["fieldlab"])[1:], *definition["command"]]
    command = get_command(app)
    context = typer.Context(command)
    while isinstance(command, TyperGroup):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, typer.Context(found, info_name=name, parent=context)
    command.parse_args(context, words)


@pytest.mark.parametrize("service", OURS)
def test_a_setting_of_the_stack_is_one_that_the_product_reads(service: str) -> None:
    read = names(MigrateSettings) | names(GatewaySettings) | names(ApiSettings) | {SIMULATOR_PASSWORD}
    for source in read_lab(LAB).sources.values():
        read |= {value for key, value in source.options.items() if key.endswith("_env") and isinstance(value, str)}
    assert {name for name in SERVICES[service].get("environment", {}) if name.startswith("FIELDLAB_")} <= read


def test_the_lab_of_the_stack_finds_its_machines() -> None:
    lab = read_lab(LAB)
    assert {urlsplit(source.url).hostname for source in lab.sources.values()} <= SERVICES.keys()
    for source in lab.sources.values():
        if source.wire is Wire.MQTT:
            MqttOptions.model_validate(source.options)
    for slug, asset in lab.assets.items():
        signals = {signal.name for signal in MACHINES[slug.removesuffix("-1")](asset=slug, seed=1).signals}
        assert asset.streams.keys() <= signals
        for name, stream in asset.streams.items():
            assert stream.address in {f"lab/{slug}/telemetry#{name}", f"nsu=urn:fieldlab:simulator;s={slug}/{name}"}
