"""Declaring a lab on each engine: the difference, what is refused, trials, and a lab written down again."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from cli.main import app
from fieldlab.assets.asset_type import read_types
from fieldlab.assets.export import declaration
from fieldlab.assets.lab import Lab
from fieldlab.assets.lab_file import parse, text_of
from fieldlab.storage.database import open_engine
from fieldlab.storage.declare import declare
from fieldlab.storage.inventory import read_inventory
from tests.servers.database import Database
from tests.unit.assets.labs import labs

LAB = """\
participants:
  lab: {name: The lab, role: operator}
  sme-a: {name: A company}
  sme-b: {name: Another company}
sources:
  floor: {wire: mqtt, url: "mqtt://127.0.0.1:1883", options: {topics: [lab/+/telemetry]}}
assets:
  mill-1:
    name: Mill
    home_owner: lab
    type: mill
    source: floor
    address: lab/{asset}/telemetry#{stream}
    leave_out: [program]
    topics: [lab/mill-1/#]
    streams:
      spindle_current: {description: Of the new drive, limits: {high: 60}}
  press-1:
    name: Press
    home_owner: lab
    streams:
      force: {unit: kN}
trials:
  tool-wear:
    participant: sme-a
    assets: [mill-1, press-1]
    from: 2031-11-01T08:00:00Z
    until: 2031-12-01T00:00:00Z
"""
FROM, UNTIL = "2031-11-01T08:00:00.000000Z", "2031-12-01T00:00:00.000000Z"


class Declaring:
    """A lab file and the commands that are given it."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        self.path = path

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"FIELDLAB_ADMIN_DATABASE_URL": self.database.admin})

    def apply(self, text: str, *words: str) -> Result:
        self.path.write_text(text)
        return self.run("apply", str(self.path), *words)

    def ask(self, statement: str, *given: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database.admin) as connection:
            return connection.execute(statement.encode(), given).fetchall()


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Declaring:
    return Declaring(database, tmp_path / "lab.yaml")


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    opened = open_engine(database.admin, name="tests")
    yield opened
    opened.dispose()


def test_the_difference_tells_what_is_new_what_changes_and_what_is_kept(lab: Declaring) -> None:
    new = lab.apply(LAB, "--dry-run").stdout
    assert "+ stream mill-1.spindle_current\n    kind: number\n    unit: A\n" in new
    assert "    description: Of the new drive\n    low: 0.0\n    high: 60.0\n" in new
    assert "+ binding floor lab/mill-1/telemetry#power\n    stream: mill-1.power\n" in new
    assert f"+ booking tool-wear on press-1\n    from: {FROM}\n    until: {UNTIL}\n" in new
    assert "mill-1.program" not in new
    assert lab.ask("SELECT count(*) FROM fieldlab.asset") == [(0,)]

    assert lab.apply(LAB).exit_code == 0
    changed = lab.apply(LAB.replace("name: Press", "name: Forging press").replace("high: 60", "high: 80")).stdout
    assert "~ asset press-1\n    name: Press → Forging press\n" in changed
    assert "~ stream mill-1.spindle_current\n    high: 60.0 → 80.0\n" in changed
    assert "2 things changed." in changed

    kept = lab.apply(LAB.partition("assets:")[0], "--dry-run").stdout
    assert "= asset press-1  (not declared, kept)" in kept
    assert "= booking tool-wear on press-1  (not declared, kept)" in kept
    assert "nothing to change" in kept


def test_check_tells_by_its_exit_status_and_changes_nothing(lab: Declaring) -> None:
    assert lab.apply(LAB, "--check").exit_code == 3
    assert lab.apply(LAB, "--check").exit_code == 3
    assert lab.apply(LAB).exit_code == 0
    assert lab.apply(LAB, "--check").exit_code == 0
    assert lab.apply(LAB + "  another: {participant: sme-b}\n", "--check").exit_code == 3


def test_options_that_say_the_same_are_no_difference(lab: Declaring) -> None:
    text = LAB.replace("[lab/+/telemetry]}", "[lab/+/telemetry], session_expiry_days: 7.0, protocol: 5}")
    lab.apply(text)
    assert lab.apply(text.replace("days: 7.0", "days: 7"), "--check").exit_code == 0
    changed = lab.apply(text.replace("days: 7.0", "days: 7.5"), "--check")
    assert changed.exit_code == 3
    assert '"session_expiry_days": 7.5' in changed.stdout


def test_options_that_the_connector_does_not_know_are_refused_with_their_line(lab: Declaring) -> None:
    refused = lab.apply(LAB.replace("{topics: [lab/+/telemetry]}", "{topics: [lab+], topic: x}"))
    assert "lab.yaml:6: sources.floor.options.topics.0: `+` stands alone" in str(refused.exception)
    assert "sources.floor.options.topic: there is no such key; did you mean 'topics'?" in str(refused.exception)


def test_a_refusal_names_every_case_and_changes_nothing(lab: Declaring) -> None:
    lab.apply(LAB)
    refused = lab.apply(
        LAB.replace("kN", "N").replace("lab\n    streams", "sme-b\n    streams").replace("name: Mill", "name: X")
    )
    assert "stream press-1.force: unit is kN and cannot become N" in str(refused.exception)
    assert "asset press-1: home_owner is lab and cannot become sme-b" in str(refused.exception)
    assert lab.ask("SELECT name FROM fieldlab.asset WHERE slug = 'mill-1'") == [("Mill",)]


def owners(lab: Declaring, asset: str) -> set[tuple[object, ...]]:
    """Who has a machine from when on."""
    return set(
        lab.ask(
            """
            SELECT p.slug, r.slug, t.booked, extract(epoch FROM t.start)::text
            FROM fieldlab.tenure AS t JOIN fieldlab.stream AS s ON s.id = t.stream_id
            JOIN fieldlab.asset AS a ON a.id = s.asset_id JOIN fieldlab.participant AS p ON p.id = t.owner_id
            LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id WHERE a.slug = %s
            """,
            asset,
        )
    )


def test_a_trial_books_its_machines_once_and_is_in_the_history(lab: Declaring) -> None:
    for _ in range(2):
        lab.apply(LAB)
    assert {row[:3] for row in owners(lab, "mill-1")} == {("lab", None, False), ("sme-a", "tool-wear", True)}
    assert len(owners(lab, "mill-1")) == 3
    events = "SELECT principal, kind, jsonb_array_length(added) FROM fieldlab.tenure_event ORDER BY asset_id"
    assert lab.ask(events) == [("fieldlab apply", "hand_over", 42), ("fieldlab apply", "hand_over", 3)]


def test_a_trial_that_is_longer_books_the_rest_and_a_shorter_one_keeps_what_is_booked(lab: Declaring) -> None:
    lab.apply(LAB)
    longer = lab.apply(LAB.replace("until: 2031-12-01T", "until: 2031-12-05T")).stdout
    assert f"+ booking tool-wear on mill-1\n    from: {UNTIL}\n    until: 2031-12-05T00:00:00.000000Z\n" in longer
    again = lab.apply(LAB, "--check")
    assert again.exit_code == 0
    assert "= booking tool-wear on mill-1  (not declared, kept)" in again.stdout


def test_a_machine_that_is_booked_by_another_is_refused(lab: Declaring) -> None:
    lab.apply(LAB)
    rest = LAB.partition("trials:")[0]
    other = (
        "trials: {b: {participant: sme-b, assets: [press-1], from: 2031-11-30T00:00:00Z, until: 2032-01-01T00:00:00Z}}"
    )
    refused = lab.apply(rest + other)
    assert "booking b on press-1: The asset is booked for some of that time" in str(refused.exception)
    assert "sme-a" not in str(refused.exception)
    assert lab.ask("SELECT count(*) FROM fieldlab.trial") == [(1,)]


def test_a_recording_is_nobody_s_but_its_home_owner_s(lab: Declaring) -> None:
    recording = LAB.replace(
        "name: Press\n    home_owner: lab", "name: Press\n    home_owner: sme-b\n    nature: replay"
    )
    refused = lab.apply(recording)
    assert "booking tool-wear on press-1: the asset is a recording, and what it plays stays sme-b's" in str(
        refused.exception
    )
    assert lab.apply(recording.replace("participant: sme-a", "participant: sme-b")).exit_code == 0
    with psycopg.connect(lab.database.admin) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "UPDATE fieldlab.tenure SET owner_id = (SELECT id FROM fieldlab.participant WHERE slug = 'sme-a') "
            "WHERE stream_id = (SELECT id FROM fieldlab.stream WHERE name = 'force')"
        )


def test_a_machine_that_others_have_owned_does_not_become_a_recording(lab: Declaring) -> None:
    assert lab.apply(LAB).exit_code == 0
    changed = lab.apply(
        LAB.replace("name: Press\n    home_owner: lab", "name: Press\n    home_owner: lab\n    nature: replay")
    )
    assert changed.exit_code != 0
    assert "asset press-1: nature is real and cannot become replay" in str(changed.exception)
    assert lab.ask("SELECT nature FROM fieldlab.asset WHERE slug = 'press-1'") == [("real",)]


def test_several_bookings_of_one_machine_are_entered_together(lab: Declaring) -> None:
    bookings = "".join(
        f"      - {{assets: [press-1], from: 203{year}-01-01T00:00:00Z, until: 203{year}-02-01T00:00:00Z}}\n"
        for year in (3, 1, 2)
    )
    text = LAB.partition("trials:")[0] + f"trials:\n  t:\n    participant: sme-b\n    bookings:\n{bookings}"
    assert lab.apply(text).exit_code == 0
    assert len(owners(lab, "press-1")) == 7
    assert lab.apply(text, "--check").exit_code == 0


def test_time_in_which_data_is_stored_keeps_its_owner(lab: Declaring) -> None:
    lab.apply(LAB.partition("trials:")[0])
    with psycopg.connect(lab.database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.measurement (stream_id, time, value)"
            " SELECT id, '2031-11-30T23:59:59.999999Z', 1 FROM fieldlab.stream WHERE name = 'force'"
        )
    assert "press-1: data of" in str(lab.apply(LAB).exception)
    assert lab.apply(LAB.replace("until: 2031-12-01T", "until: 2031-11-30T")).exit_code == 0


def test_what_was_given_back_early_is_not_booked_again(lab: Declaring) -> None:
    lab.apply(LAB)
    with psycopg.connect(lab.database.admin) as connection:
        connection.execute(
            """
            WITH cut AS (
                UPDATE fieldlab.tenure AS t SET until = '2031-11-10Z' FROM fieldlab.stream AS s
                WHERE s.id = t.stream_id AND s.name = 'force' AND t.booked
                RETURNING t.stream_id, t.owner_id, t.trial_id, t.start, t.until, t.booked, s.asset_id),
            rest AS (
                UPDATE fieldlab.tenure AS t SET start = '2031-11-10Z' FROM cut
                WHERE t.stream_id = cut.stream_id AND t.start = '2031-12-01Z')
            INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added)
            SELECT asset_id, 'tests', 'return',
                   jsonb_build_array(to_jsonb(cut) || '{"until": "2031-12-01T00:00:00+00:00"}'),
                   jsonb_build_array(to_jsonb(cut) || '{"until": "2031-11-10T00:00:00+00:00"}')
            FROM cut
            """
        )
    assert lab.apply(LAB, "--check").exit_code == 0


def test_an_asset_without_streams_cannot_be_booked(lab: Declaring) -> None:
    refused = lab.apply(LAB.replace("    streams:\n      force: {unit: kN}\n", ""))
    assert "booking tool-wear on press-1: the asset has no stream yet" in str(refused.exception)


def test_an_exported_lab_applies_with_no_difference_and_makes_the_same_lab_elsewhere(lab: Declaring) -> None:
    lab.apply(LAB)
    written = lab.run("export-lab").stdout
    assert written.startswith("# yaml-language-server: $schema=lab.schema.json\n")
    assert "address: lab/{asset}/telemetry#{stream}" in written
    assert lab.apply(written, "--check").exit_code == 0
    assert "kept" not in lab.apply(written).stdout
    assert lab.apply(LAB, "--check").exit_code == 0


def test_a_trial_of_single_streams_is_written_as_such_and_books_nothing_else(lab: Declaring) -> None:
    """The rest of the machine stays its home owner's, also when the lab is written down and applied to itself."""
    single = LAB.replace("assets: [mill-1, press-1]", "assets: [press-1]\n    streams: [mill-1.power, mill-1.state]")
    booked = lab.apply(single)
    assert f"+ booking tool-wear on mill-1.power\n    from: {FROM}\n    until: {UNTIL}\n" in booked.stdout
    names = "SELECT s.name FROM fieldlab.tenure AS t JOIN fieldlab.stream AS s ON s.id = t.stream_id WHERE t.booked"
    assert set(lab.ask(names)) == {("force",), ("power",), ("state",)}
    written = lab.run("export-lab").stdout
    assert "    streams:\n    - mill-1.state\n    - mill-1.power\n" in written
    for text in (written, single):
        assert lab.apply(text, "--check").exit_code == 0
        assert "kept" not in lab.apply(text).stdout
    assert set(lab.ask(names)) == {("force",), ("power",), ("state",)}
    longer = lab.apply(single.replace("until: 2031-12-01T00", "until: 2031-12-02T00"))
    assert f"+ booking tool-wear on mill-1.power\n    from: {UNTIL}\n" in longer.stdout
    others = lab.apply(single.replace("mill-1.power, mill-1.state", "mill-1.energy"))
    assert "= booking tool-wear on mill-1.power  (not declared, kept)" in others.stdout
    for name, said in (
        ("mill-1.enrgy", "trials.tool-wear.streams.0: no stream 'mill-1.enrgy' is declared"),
        ("mill-1", "trials.tool-wear.streams.0: no stream 'mill-1' is declared"),
        ("press-1.force", "press-1 is booked by tool-wear from"),
    ):
        assert said in str(lab.apply(single.replace("mill-1.power, mill-1.state", name)).exception)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lab=labs())
def test_any_lab_that_is_exported_applies_with_no_difference(engine: Engine, lab: Lab) -> None:
    with engine.connect() as connection:
        made = declare(connection, lab, types={})
        text = text_of(declaration(read_inventory(connection)))
        again = declare(connection, parse(text, name="lab.yaml", types=read_types()), types={})
        assert again.changes == ()
        assert declare(connection, lab, types={}).changes == ()
        assert bool(made.changes) == bool(lab.participants)
        connection.rollback()
