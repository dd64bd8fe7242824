"""A source is named by its URL, and what arrives unbound is shown."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from connectors.mqtt.recipe import names, options
from tests.servers.database import Database


def fieldlab(database: Database, *words: str) -> Result:
    environment = {"FIELDLAB_ADMIN_DATABASE_URL": database.admin, "COLUMNS": "200"}
    return CliRunner().invoke(app, list(words), env=environment)


def test_a_source_is_added_by_its_url_and_changed_by_its_name(database: Database) -> None:
    added = fieldlab(
        database, "source", "add", "mqtt://broker.lab.example:1884", "--topic", "lab/+/t", "--option", "user=g"
    )
    assert "+ source broker-lab-example\n    wire: mqtt\n    url: mqtt://broker.lab.example:1884\n" in added.stdout
    words = ("source", "add", "mqtts://broker.lab.example", "--name", "broker-lab-example", "--topic", "lab/+/t")
    assert "url: mqtt://broker.lab.example:1884 → mqtts://broker.lab.example" in fieldlab(database, *words).stdout
    assert "nothing to change" in fieldlab(database, *words).stdout
    server = fieldlab(database, "source", "add", "opc.tcp://press", "--option", "security=none")
    assert "+ source press" in server.stdout


def test_a_second_source_at_one_host_does_not_take_the_place_of_the_first(database: Database) -> None:
    fieldlab(database, "source", "add", "opc.tcp://hall:4840", "--option", "security=none")
    second = ("source", "add", "opc.tcp://hall:4841", "--option", "security=none")
    said = "There is a source hall at opc.tcp://hall:4840. Name this one with --name, or give --name hall to change it."
    assert said in str(fieldlab(database, *second).exception)
    assert "+ source hall-2" in fieldlab(database, *second, "--name", "hall-2").stdout
    again = fieldlab(database, "source", "add", "opc.tcp://hall:4840", "--option", "security=none")
    assert "nothing to change" in again.stdout


def test_a_source_is_added_by_the_recipe_for_its_devices(database: Database) -> None:
    for name in names():
        assert "+ source" in fieldlab(database, "source", "add", f"mqtt://{name}", "--recipe", name).stdout
    words = ("mqtt://shelly", "--recipe", "shelly", "--topic", "hall/+/em", "--option", "user=g")
    fieldlab(database, "source", "add", *words)
    with psycopg.connect(database.admin) as connection:
        found: dict[str, object] = dict(connection.execute("SELECT slug, options FROM fieldlab.source").fetchall())
    assert found.keys() == set(names())
    assert found["shelly"] == {**options("shelly"), "topics": ["hall/+/em"], "user": "g"}
    assert all(found[name] == options(name) for name in names() if name != "shelly")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http://h",), "Write the URL as mqtt://"),
        (("mqtt://h", "--recipe", "shely"), "There is no recipe 'shely'; there is: esp32, logger, senml, shelly"),
        (("opc.tcp://h", "--recipe", "shelly"), "Recipes are for MQTT"),
        (("mqtt://me:secret@h",), "holds a user or password"),
        (("mqtt://h/lab/mill",), "sources.h.url: it ends after the port; topics stand in options.topics"),
        (("mqtt://h", "--topic", "a+"), "sources.h.options.topics.0: `+` stands alone"),
        (("mqtt://h", "--topic", "a+"), "lab:\n  the source:5: sources.h.options.topics.0"),
        (("mqtt://h", "--name", "Über"), "sources.Über: write it with small letters, digits and hyphens"),
        (("mqtt://h", "--option", "payload=x"), "sources.h.options.payload: it should hold keys with their values"),
        (
            ("mqtt://h", "--option", "keep_alive=1"),
            "sources.h.options.keep_alive: it should be greater than or equal to 5",
        ),
        (("mqtt://h", "--option", "usr=g"), "sources.h.options.usr: there is no such key; did you mean 'user'?"),
    ],
)
def test_what_is_wrong_with_a_source_is_told(database: Database, words: tuple[str, ...], said: str) -> None:
    refused = fieldlab(database, "source", "add", *words)
    assert refused.exit_code
    assert said in str(refused.exception)
    assert "secret" not in str(refused.exception)


def test_a_source_that_is_not_there_is_told_from_one_where_nothing_arrives(database: Database) -> None:
    fieldlab(database, "source", "add", "mqtt://h")
    assert "Nothing that is not bound arrives." in fieldlab(database, "discoveries", "--source", "h").stdout
    assert "There is no source 'hh'; there is: h." in str(fieldlab(database, "discoveries", "--source", "hh").exception)


def test_what_arrives_unbound_is_shown_with_its_latest_value_and_rate(database: Database) -> None:
    fieldlab(database, "source", "add", "mqtt://h")
    assert "Nothing that is not bound arrives." in fieldlab(database, "discoveries").stdout
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            """
            INSERT INTO fieldlab.discovery (source_id, address, kind, value, text, samples, first_seen, last_seen)
            SELECT id, a, k, v, t, 21, '2026-11-21T08:00:00Z', '2026-11-21T08:00:10Z'
            FROM fieldlab.source, (VALUES ('x/t#power', 'number', 3.5, NULL),
                                          ('x/t#state', 'text', NULL, E'[red]\x1b[2J')) AS seen (a, k, v, t)
            """
        )
    shown = fieldlab(database, "discoveries", "--once").stdout
    assert "x/t#power" in shown
    assert "3.5" in shown
    assert "2/s" in shown
    assert "[red]\\x1b[2J" in shown
    assert "x/t#power" not in fieldlab(database, "discoveries", "--source", "other").stdout


LAB = """
participants: {lab: {name: Lab}}
sources: {floor: {wire: mqtt, url: "mqtt://h", options: {topics: ["lab/#"]}}}
assets: {mill-1: {name: Mill, home_owner: lab, streams: {power: {unit: W}}}}
"""


def test_one_address_and_a_whole_asset_are_bound_from_the_terminal(database: Database, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB)
    assert fieldlab(database, "apply", str(lab)).exit_code == 0
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            """
            INSERT INTO fieldlab.discovery (source_id, address, kind, unit, value, samples, first_seen, last_seen)
            SELECT id, a, 'number', u, 1, 1, now(), now()
            FROM fieldlab.source, (VALUES ('lab/mill-1/t#power', 'W'), ('lab/mill-1/t#spindle.current', 'A'),
                                          ('lab/mill-1/t#speed', NULL)) AS seen (a, u)
            """
        )
    one = ("bind", "lab/mill-1/t#power", "mill-1.power")
    assert "would change" in fieldlab(database, *one, "--dry-run").stdout
    assert "+ binding floor lab/mill-1/t#power\n    stream: mill-1.power\n" in fieldlab(database, *one).stdout
    assert "nothing to change" in fieldlab(database, *one).stdout
    rest = fieldlab(database, "bind", "--asset", "mill-1").stdout
    assert "+ stream mill-1.spindle_current\n    kind: number\n    unit: A\n" in rest
    assert "+ stream mill-1.speed" in rest
    assert "Nothing that is not bound arrives." in fieldlab(database, "discoveries").stdout
    exported = fieldlab(database, "export-lab").stdout
    lab.write_text(exported)
    assert "nothing to change" in fieldlab(database, "apply", str(lab), "--check").stdout, "what is bound is exported"
    assert "lab/mill-1/t#spindle.current" in exported


def test_what_a_source_says_of_an_address_is_shown_and_stands_in_the_exported_lab(
    database: Database, tmp_path: Path
) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB)
    assert fieldlab(database, "apply", str(lab)).exit_code == 0
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            """
            INSERT INTO fieldlab.discovery (source_id, address, kind, unit, quantity, description, semantic_id, low,
                                            high, value, samples, first_seen, last_seen)
            SELECT id, 'x/t#hot', 'number', 'Cel', 'temperature', 'Hot end', '0112/2///61987#ABA565#007', -40,
                   300, 1, 1, now(), now() FROM fieldlab.source
            """
        )
    assert "temperature: Hot end" in fieldlab(database, "discoveries", "--once").stdout
    assert fieldlab(database, "bind", "x/t#hot", "mill-1.hot").exit_code == 0
    exported = fieldlab(database, "export-lab").stdout
    for line in ("quantity: temperature", "description: Hot end", "0112/2///61987#ABA565#007", "low: -40"):
        assert line in exported
    lab.write_text(exported)
    assert "nothing to change" in fieldlab(database, "apply", str(lab), "--check").stdout


def test_what_cannot_be_bound_is_told(database: Database) -> None:
    fieldlab(database, "source", "add", "mqtt://h")
    for words, said in (
        (("bind", "x", "power"), "asset.stream"),
        (("bind", "x", "mill-1.power"), "no asset 'mill-1'"),
        (("bind", "--pattern", "x"), "Name the asset"),
        (("bind", "--source", "roof", "--asset", "mill-1"), "no source 'roof'"),
    ):
        refused = fieldlab(database, *words)
        assert refused.exit_code
        assert said in str(refused.exception)


@pytest.mark.parametrize("engine_server", ["plain"], indirect=True)
def test_what_arrives_shows_live_in_a_terminal_until_it_is_interrupted(database: Database) -> None:
    fieldlab(database, "source", "add", "mqtt://h")
    outer, inner = pty.openpty()
    environment = {**os.environ, "FIELDLAB_ADMIN_DATABASE_URL": database.admin, "COLUMNS": "160", "TERM": "xterm"}
    # A child inherits that interrupts are ignored, as in a script's background; whoever sits at a terminal does not.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{listen}; from cli.main import main; main()", "discoveries", "--every", "0.2"]
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment) as running:
        os.close(inner)
        shown = shows(outer, "Nothing that is not bound arrives.")
        assert "x/t#power" not in shown
        with psycopg.connect(database.admin) as connection:
            connection.execute(
                "INSERT INTO fieldlab.discovery (source_id, address, kind, unit, value, samples, first_seen, last_seen)"
                " SELECT id, 'x/t#power', 'number', 'kW', 3.5, 1, now(), now() FROM fieldlab.source"
            )
        shows(outer, "x/t#power")
        running.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 60
        while running.poll() is None:
            assert time.monotonic() < deadline
            read(outer)
        assert running.returncode == 0
    os.close(outer)


def shows(terminal: int, words: str) -> str:
    """Read from the terminal until the words are shown; gives all that was."""
    seen, deadline = "", time.monotonic() + 60
    while words not in seen:
        assert time.monotonic() < deadline, seen[-2000:]
        seen += read(terminal)
    return seen


def read(terminal: int) -> str:
    """Read what is shown within a moment; nothing once the other side is closed."""
    try:
        return os.read(terminal, 65_536).decode(errors="replace") if select.select([terminal], [], [], 0.2)[0] else ""
    except OSError:
        return ""
