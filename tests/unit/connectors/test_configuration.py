"""A source that is configured wrongly is told which key is wrong and what to do, before anything is opened."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

import connectors
from connectors.mqtt.config import MqttOptions
from connectors.mqtt.payload import (
    InfluxPayload,
    JsonPathPayload,
    JsonPayload,
    ScalarPayload,
    SenmlPayload,
    SparkplugPayload,
)
from connectors.opcua.config import OpcuaOptions, Take
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import InvalidSettings
from fieldlab.ports import Connector

HOME = Path(str(connectors.__file__)).parent
SAMPLES = sorted(HOME.glob("*/sample.yaml"))
PAYLOADS = (JsonPayload, JsonPathPayload, ScalarPayload, InfluxPayload, SenmlPayload, SparkplugPayload)
MODELS: dict[Wire, tuple[type[BaseModel], tuple[type[BaseModel], ...]]] = {
    Wire.MQTT: (MqttOptions, PAYLOADS),
    Wire.OPCUA: (OpcuaOptions, (Take,)),
}
SHARES = ("$share", "$share/gateways", "$share/gateways/", "$share//lab/#", "$share/+/lab")
MQTT: dict[str, object] = {"topics": ["lab/#"]}
OPCUA: dict[str, object] = {"security": "none"}


def built(
    wire: Wire, options: dict[str, object], *, url: str = "", environment: dict[str, str] | None = None
) -> Connector:
    url = url or {Wire.MQTT: "mqtt://broker", Wire.OPCUA: "opc.tcp://robot"}[wire]
    source = Source(id=1, slug="mill", wire=wire, url=url, options=options)
    return build(source, client_name="gateway-1", environment=environment or {})


def fault(wire: Wire, options: dict[str, object], *, url: str = "") -> str:
    with pytest.raises(InvalidSettings) as refusal:
        built(wire, options, url=url)
    return str(refusal.value)


def test_a_backfill_is_an_iso_8601_duration() -> None:
    assert OpcuaOptions.model_validate(OPCUA | {"backfill": "P7D"}).backfill == timedelta(days=7)
    assert "options.backfill" in fault(Wire.OPCUA, OPCUA | {"backfill": "a week"})


def test_every_connector_has_a_readme_and_a_sample() -> None:
    packages = {path.parent for path in HOME.glob("*/connector.py")}
    assert packages
    assert {path.parent for path in SAMPLES} == packages
    assert all((package / "README.md").is_file() for package in packages)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_a_sample_configuration_is_valid_and_shows_every_option(path: Path) -> None:
    sample = yaml.safe_load(path.read_text())
    variable = sample["options"]["password_env"]
    source = Source(id=1, **{**sample, "wire": Wire(sample["wire"])})
    connector = build(source, client_name="gateway-1", environment={variable: "secret"})
    assert isinstance(connector.connected, bool)
    top, nested = MODELS[source.wire]
    assert list(sample["options"]) == list(top.model_fields)
    readme = (path.parent / "README.md").read_text()
    options = [*top.model_fields, *(name for model in nested for name in model.model_fields)]
    assert [name for name in options if f"`{name}`" not in readme] == []


@pytest.mark.parametrize(
    ("wire", "options", "key"),
    [
        (Wire.MQTT, {}, "options.topics is missing"),
        (Wire.MQTT, {"topics": []}, "options.topics: give one topic filter at least"),
        (Wire.MQTT, {"topics": ["lab/#", "lab/a#"]}, "options.topics.1: `#` stands alone"),
        (Wire.MQTT, {"topics": ["lab/mill+/x"]}, "options.topics.0: `+` stands alone"),
        (Wire.MQTT, {"topics": [""]}, "options.topics.0: "),
        *(
            (Wire.MQTT, {"topics": [share]}, "options.topics.0: a shared subscription is written $share/<name>/")
            for share in SHARES
        ),
        (Wire.MQTT, MQTT | {"topcis": 1}, "options.topcis is not an option; did you mean options.topics?"),
        (Wire.MQTT, MQTT | {"password": "x"}, "options.password is not an option"),
        (Wire.MQTT, MQTT | {"payload": {"format": "xml"}}, "options.payload.format: "),
        (Wire.MQTT, MQTT | {"payload": {"time_unit": "h"}}, "options.payload.time_unit: "),
        (Wire.MQTT, MQTT | {"payload": {"zeit": "t"}}, "options.payload.zeit is not an option"),
        (Wire.MQTT, MQTT | {"protocol": 4}, "options.protocol: "),
        (Wire.MQTT, MQTT | {"client_id": "a/b"}, "options.client_id: "),
        (Wire.MQTT, MQTT | {"password_env": "P"}, "without options.user"),
        (Wire.MQTT, MQTT | {"cert_file": "a.pem"}, "options.cert_file and options.key_file"),
        (Wire.MQTT, MQTT | {"ca_file": "a.pem"}, "need a url that is mqtts://"),
        (Wire.MQTT, MQTT | {"receive_maximum": 0}, "options.receive_maximum: "),
        (Wire.OPCUA, {}, "options.security is missing"),
        (Wire.OPCUA, {"security": "Basic128"}, "options.security: "),
        (Wire.OPCUA, {"security": "Basic256Sha256", "key_file": "a.pem"}, "belong together"),
        (Wire.OPCUA, OPCUA | {"certificate_file": "a.der"}, "options.security is none"),
        (Wire.OPCUA, OPCUA | {"sampling_interval": 1, "queue_size": 100}, "options.queue_size 100 is too small"),
        (Wire.OPCUA, OPCUA | {"keep_alive": 300, "publishing_interval": 1000}, "options.keep_alive is shorter"),
        (Wire.OPCUA, OPCUA | {"lifetime": 10_000, "keep_alive": 9_000}, "options.lifetime is shorter"),
        (Wire.OPCUA, OPCUA | {"user": "a", "password_env": "P", "password_file": "/p"}, "keep one"),
    ],
)
def test_a_wrong_option_is_named(wire: Wire, options: dict[str, object], key: str) -> None:
    said = fault(wire, options)
    assert said.startswith("Source mill: ")
    assert key in said


def test_every_wrong_option_is_named_at_once() -> None:
    said = fault(Wire.MQTT, {"topics": [], "keep_alive": 0, "x": 1})
    assert all(key in said for key in ("options.topics", "options.keep_alive", "options.x"))


@pytest.mark.parametrize(
    ("wire", "url"),
    [
        (Wire.MQTT, "broker:1883"),
        (Wire.MQTT, "http://broker"),
        (Wire.MQTT, "mqtt://"),
        (Wire.MQTT, "mqtt://broker:port"),
        (Wire.MQTT, "mqtt://broker:0"),
        (Wire.MQTT, "mqtt://broker/lab/mill"),
        (Wire.OPCUA, "opc.https://robot"),
        (Wire.OPCUA, "opc.tcp://robot:99999"),
    ],
)
def test_a_wrong_url_is_told_how_to_be_written(wire: Wire, url: str) -> None:
    assert "url " in fault(wire, MQTT if wire is Wire.MQTT else OPCUA, url=url)


@pytest.mark.parametrize(
    ("wire", "url"), [(Wire.MQTT, "mqtt://u:hunter2@broker"), (Wire.OPCUA, "opc.tcp://u:hunter2@robot")]
)
def test_a_password_in_the_url_is_refused_and_not_repeated(wire: Wire, url: str) -> None:
    said = fault(wire, MQTT if wire is Wire.MQTT else OPCUA, url=url)
    assert "options.password_env" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("wire", list(Wire))
def test_a_password_given_as_an_option_is_refused_and_not_repeated(wire: Wire) -> None:
    options = (MQTT if wire is Wire.MQTT else OPCUA) | {"user": "u", "password": "hunter2"}
    said = fault(wire, options)
    assert "did you mean options.password_" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("wire", list(Wire))
def test_a_password_variable_that_is_not_set_is_named(wire: Wire) -> None:
    options = (MQTT if wire is Wire.MQTT else OPCUA) | {"user": "u", "password_env": "LAB_PASSWORD"}
    assert "options.password_env names the environment variable LAB_PASSWORD, which is not set" in fault(wire, options)
    assert not built(wire, options, environment={"LAB_PASSWORD": "x"}).connected


@pytest.mark.parametrize("wire", list(Wire))
async def test_a_password_file_that_cannot_be_read_ends_the_connector(wire: Wire, tmp_path: Path) -> None:
    missing = tmp_path / "password"
    options = (MQTT if wire is Wire.MQTT else OPCUA) | {"user": "u", "password_file": str(missing)}
    connector = built(wire, options, url={Wire.MQTT: "mqtt://127.0.0.1:1", Wire.OPCUA: "opc.tcp://127.0.0.1:1"}[wire])

    async def deliver(_: object) -> None:
        raise AssertionError

    with pytest.raises(InvalidSettings, match=r"options\.password_file names .*No such file"):
        await connector.run(deliver)


async def test_a_certificate_that_cannot_be_read_ends_the_connector(tmp_path: Path) -> None:
    path = str(tmp_path / "missing.pem")
    files = {"certificate_file": path, "key_file": path, "server_certificate_file": path}

    async def deliver(_: object) -> None:
        raise AssertionError

    with pytest.raises(InvalidSettings, match=r"options\.certificate_file"):
        await built(Wire.OPCUA, {"security": "Basic256Sha256", **files}).run(deliver)
    with pytest.raises(InvalidSettings, match=r"options\.ca_file"):
        await built(Wire.MQTT, MQTT | {"ca_file": path}, url="mqtts://broker").run(deliver)
    with pytest.raises(InvalidSettings, match=r"options\.cert_file"):
        await built(Wire.MQTT, MQTT | {"cert_file": path, "key_file": path}, url="mqtts://broker").run(deliver)


def test_a_gateway_name_that_brokers_do_not_take_is_refused() -> None:
    source = Source(id=1, slug="mill", wire=Wire.MQTT, url="mqtt://broker", options=MQTT)
    with pytest.raises(InvalidSettings, match="client id"):
        build(source, client_name="hall #4", environment={})


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"password_env": "FIELDLAB_GATEWAY_DATABASE_URL"}, "a secret of the platform itself"),
        ({"password_env": "FIELDLAB_ADMIN_PASSWORD"}, "a secret of the platform itself"),
        ({"password_env": "PGPASSWORD"}, "a secret of the platform itself"),
        ({"password_file": "/proc/self/environ"}, "no file of a secret"),
    ],
    ids=["database url", "password", "libpq", "environment"],
)
def test_a_source_cannot_send_the_platforms_own_secrets_to_a_server(option: dict[str, object], said: str) -> None:
    options = {"topics": ["lab/#"], "user": "gateway", **option}
    source = Source(id=1, slug="floor", wire=Wire.MQTT, url="mqtt://elsewhere", options=options)
    with pytest.raises(InvalidSettings, match=said) as refused:
        build(source, client_name="g", environment=dict.fromkeys(map(str, option.values()), "of the platform"))
    assert "of the platform" not in str(refused.value).replace("a secret of the platform itself", "")
