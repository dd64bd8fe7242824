"""A source is named by its URL, and what arrives unbound is shown."""

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http://h",), "Write the URL as mqtt://"),
        (("mqtt://me:secret@h",), "holds a user or password"),
        (("mqtt://h", "--topic", "a+"), "sources.h.options.topics.0: `+` stands alone"),
        (("mqtt://h", "--option", "usr=g"), "sources.h.options.usr: there is no such key; did you mean 'user'?"),
    ],
)
def test_what_is_wrong_with_a_source_is_told(database: Database, words: tuple[str, ...], said: str) -> None:
    refused = fieldlab(database, "source", "add", *words)
    assert refused.exit_code
    assert said in str(refused.exception)
    assert "secret" not in str(refused.exception)


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
