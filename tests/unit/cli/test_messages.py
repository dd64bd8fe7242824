"""What the command line says to a stranger who gets it wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.apply import read_lab
from cli.demo.parts import Ports
from cli.demo.scene import lab
from cli.main import app, main
from fieldlab.assets.source import Wire
from fieldlab.errors import InvalidInput


def test_every_command_explains_itself() -> None:
    for command in ("demo", "migrate", "apply", "key", "accounts", "gateway", "api", "simulate", "score", "tenure"):
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert "Usage" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", "mill", "--mqtt", "mqtt://h", "--from", "ten"], "Or say how long ago: 90s, 10m, 2h or 7d"),
        (["simulate", "mill", "--mqtt", "mqtt://h", "--from", "99999999999999d"], "ago is before the year 1"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert said in refused.output


@pytest.mark.parametrize("process", ["gateway", "api", "migrate"])
def test_a_missing_database_url_is_named_and_ends_the_process(
    process: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {"gateway": "FIELDLAB_GATEWAY_DATABASE_URL", "api": "FIELDLAB_API_DATABASE_URL"}.get(
        process, "FIELDLAB_ADMIN_DATABASE_URL"
    )
    monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr("sys.argv", ["fieldlab", process])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"fieldlab: {key}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("participants: [", "is not YAML"),
        ("machines: {}", "lab.yaml:1: machines: there is no such key"),
        ("assets: {m: {name: M, home_owner: nobody}}", "assets.m.home_owner: no participant 'nobody' is declared"),
        ("participants: {Ä: {name: x}}", "participants.Ä"),
    ],
)
def test_a_wrong_lab_file_names_the_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        read_lab(path)
    assert said in str(refused.value)


def test_the_demo_lab_listens_on_the_ports_that_were_chosen() -> None:
    declared = lab(Ports(api=1, mqtt=2, mqtt_311=5, opcua=3, gateway=4))
    assert declared.sources["shop-floor"].url == "mqtt://127.0.0.1:2"
    assert declared.sources["robot-cell"].url == "opc.tcp://127.0.0.1:3"
    assert {source.wire for source in declared.sources.values()} == set(Wire)
