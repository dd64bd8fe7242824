"""`fieldlab score`: what alarms are worth."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

TRUTH = """asset,fault,signal,from,until
mill-1,tool_wear,,2026-11-21T08:00:00Z,2026-11-21T09:00:00Z
mill-1,jam,,2026-11-21T10:00:00Z,2026-11-21T11:00:00Z
"""
ALARMS = """time,asset,why
2026-11-21T08:15:00Z,mill-1,current
2026-11-21T08:30:00+00:00,mill-1,current
2026-11-21T08:30:00Z,robot-1,current
2026-11-21T09:00:00Z,mill-1,current
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "alarms.csv").write_text(ALARMS)
    return [str(tmp_path / "truth.csv"), str(tmp_path / "alarms.csv")]


def test_it_gives_precision_recall_and_lead_time(files: list[str]) -> None:
    told = json.loads(CliRunner().invoke(app, ["score", *files, "--json"]).stdout)
    assert told == {"alarms": 4, "faults": 2, "precision": 0.5, "recall": 0.5, "lead_seconds": 45 * 60}
    told = json.loads(CliRunner().invoke(app, ["score", *files, "--fault", "tool_wear", "--json"]).stdout)
    assert told["recall"] == 1.0


def test_the_table_says_the_same_to_people(files: list[str]) -> None:
    shown = CliRunner().invoke(app, ["score", *files])
    assert shown.exit_code == 0
    assert "50.0%" in shown.stdout
    assert "0:45:00" in shown.stdout


@pytest.mark.parametrize(
    ("alarms", "options", "said"),
    [
        ("when,asset\n", [], "has no column 'time'"),
        ("time,asset\nnoon,mill-1\n", [], "line 2: 'noon' is no time"),
        (ALARMS, ["--fault", "drift"], "has no fault 'drift'; it has jam, tool_wear"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence_and_status_2(
    files: list[str], alarms: str, options: list[str], said: str
) -> None:
    Path(files[1]).write_text(alarms)
    refused = CliRunner().invoke(app, ["score", *files, *options])
    assert refused.exit_code == 2
    assert said in refused.output
    assert refused.output.count("\n") == 1
