"""The commands that set a lab up, on each engine."""

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from fieldlab.errors import Forbidden, Unavailable
from tests.servers.database import Database

LAB = """
participants:
  lab: {name: The lab, role: operator}
  sme-a: {name: A company}
sources:
  floor: {wire: mqtt, url: "mqtt://127.0.0.1:1883", options: {topics: [lab/+/telemetry]}}
assets:
  press-1:
    name: Press
    home_owner: lab
    source: floor
    streams:
      force: {unit: kN, quantity: force, address: "lab/press-1/telemetry#force"}
"""


def fieldlab(database: Database, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"FIELDLAB_ADMIN_DATABASE_URL": database.admin})


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    return path


def test_migrate_makes_an_empty_database_ready_and_may_be_run_again(blank_database: Database) -> None:
    first = fieldlab(blank_database, "migrate")
    assert first.exit_code == 0, first.output
    assert "went from empty to revision" in first.stdout
    assert ("plain" if blank_database.engine == "plain" else "TimescaleDB") in first.stdout
    again = fieldlab(blank_database, "migrate")
    assert "is at revision" in again.stdout


def test_apply_shows_the_difference_makes_it_once_and_removes_nothing(database: Database, lab: Path) -> None:
    dry = fieldlab(database, "apply", str(lab), "--dry-run")
    assert "+ asset press-1" in dry.stdout
    assert "6 things would change." in dry.stdout
    done = fieldlab(database, "apply", str(lab))
    assert "6 things changed." in done.stdout
    assert "nothing to change" in fieldlab(database, "apply", str(lab)).stdout

    lab.write_text(LAB.replace("A company", "Another name"))
    changed = fieldlab(database, "apply", str(lab)).stdout
    assert "~ participant sme-a\n    name: A company → Another name\n" in changed
    lab.write_text("participants: {lab: {name: The lab, role: operator}}")
    kept = fieldlab(database, "apply", str(lab)).stdout
    assert "= asset press-1  (not declared, kept)" in kept
    assert "nothing to change. 5 are not declared, and kept." in kept


def test_apply_refuses_to_change_what_stored_numbers_mean(database: Database, lab: Path) -> None:
    fieldlab(database, "apply", str(lab))
    lab.write_text(LAB.replace("unit: kN", "unit: N").replace("A company", "Another name"))
    refused = fieldlab(database, "apply", str(lab))
    assert "stream press-1.force: unit is kN and cannot become N" in str(refused.exception)
    with psycopg.connect(database.admin) as connection:
        name = connection.execute("SELECT name FROM fieldlab.participant WHERE slug = 'sme-a'").fetchone()
    assert name == ("A company",), "a refused declaration changes nothing at all"


def test_a_key_is_shown_once_listed_without_its_token_and_void_once_revoked(database: Database, lab: Path) -> None:
    fieldlab(database, "apply", str(lab))
    made = fieldlab(database, "key", "create", "--participant", "sme-a", "--principal", "notebook")
    token = made.stdout.strip().splitlines()[0]
    assert token.startswith("flk_")
    listed = fieldlab(database, "key", "list", "--participant", "sme-a").stdout
    assert token not in listed
    with psycopg.connect(database.admin) as connection:
        row = connection.execute("SELECT id FROM fieldlab.credential").fetchone()
    assert row is not None
    assert "void" in fieldlab(database, "key", "revoke", str(row[0])).stdout
    assert "no valid key" in str(fieldlab(database, "key", "revoke", str(row[0])).exception)


def test_a_key_for_nobody_says_what_to_do(database: Database) -> None:
    refused = fieldlab(database, "key", "create", "--participant", "nobody")
    assert "no participant 'nobody'; declare it in lab.yaml" in str(refused.exception)


def test_accounts_show_what_became_of_what_was_handed_over(database: Database, lab: Path) -> None:
    assert "Nothing was handed over" in fieldlab(database, "accounts").stdout
    fieldlab(database, "apply", str(lab))
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)"
            " SELECT ARRAY[s.id, s.id], ARRAY[t.id, 0], ARRAY[hour, hour], ARRAY[5, 0], ARRAY[2, 0], ARRAY[0, 1]"
            " FROM fieldlab.source AS s, fieldlab.stream AS t,"
            " (SELECT floor(extract(epoch FROM now()) / 3600)::int AS hour) AS at"
        )
    shown = [json.loads(line) for line in fieldlab(database, "accounts", "--json").stdout.splitlines()]
    assert [(row["stream"], row["received"], row["stored"], row["duplicates"], row["rejected"]) for row in shown] == [
        (None, 1, 0, 0, 1),
        ("force", 7, 5, 2, 0),
    ]
    assert (
        "press-1.force"
        in CliRunner()
        .invoke(app, ["accounts"], env={"FIELDLAB_ADMIN_DATABASE_URL": database.admin, "COLUMNS": "120"})
        .stdout
    )


@pytest.mark.parametrize("words", [("apply", "LAB"), ("key", "list"), ("key", "create", "--participant", "sme-a")])
def test_a_database_without_a_lab_is_told_what_to_do(
    blank_database: Database, lab: Path, words: tuple[str, ...]
) -> None:
    refused = fieldlab(blank_database, *(str(lab) if word == "LAB" else word for word in words))
    assert isinstance(refused.exception, Unavailable)
    assert str(refused.exception).endswith("run fieldlab migrate first.")


def test_a_user_without_the_right_is_told_so(database: Database, lab: Path) -> None:
    environment = {"FIELDLAB_ADMIN_DATABASE_URL": database.gateway}
    refused = CliRunner().invoke(app, ["apply", str(lab)], env=environment)
    assert isinstance(refused.exception, Forbidden)
    assert "Use an administrator's URL" in str(refused.exception)


def test_the_list_of_keys_is_whole_on_a_narrow_terminal(database: Database, lab: Path) -> None:
    fieldlab(database, "apply", str(lab))
    assert "no keys" in fieldlab(database, "key", "list").stderr
    fieldlab(database, "key", "create", "--participant", "sme-a", "--scope", "lab:admin", "--scope", "data:read")
    environment = {"FIELDLAB_ADMIN_DATABASE_URL": database.admin, "COLUMNS": "80"}
    listed = CliRunner().invoke(app, ["key", "list"], env=environment).stdout
    (_, line) = listed.strip().splitlines()
    assert "data:read lab:admin" in line, "a key is one line, whole, for people and for grep"
    assert line.rstrip().endswith("never")
