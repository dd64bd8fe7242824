"""Measure what Fieldlab promises by number, print a table, and write bench/latest.json.

A word chooses the experiments that have a figure with that word in its name; without one all are run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Column, Table

from bench import answers, chart, discovery, ingest, live, mqtt, opcua, query, simulators, whole
from bench.figure import Experiment
from tests.servers.timescaledb import timescaledb
from tests.servers.unavailable import Unavailable

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    *ingest.EXPERIMENTS,
    *whole.EXPERIMENTS,
    *mqtt.EXPERIMENTS,
    *discovery.EXPERIMENTS,
    *opcua.EXPERIMENTS,
    *query.EXPERIMENTS,
    *answers.EXPERIMENTS,
    *live.EXPERIMENTS,
    *chart.EXPERIMENTS,
    *simulators.EXPERIMENTS,
)
LATEST: Final = Path(__file__).parent / "latest.json"


def main(words: Sequence[str]) -> int:
    """Run the chosen experiments on TimescaleDB; give the exit code: 1 when a figure misses its target."""
    console = Console()
    chosen = [one for one in EXPERIMENTS if not words or any(word in f.name for word in words for f in one.figures)]
    if not chosen:
        names = ", ".join(figure.name for one in EXPERIMENTS for figure in one.figures)
        console.print(f"No figure's name holds {' or '.join(words)}; there are {names}.")
        return 2
    measured: dict[str, float] = {}
    try:
        for experiment in chosen:
            console.print("measuring", ", ".join(figure.name for figure in experiment.figures), style="dim")
            with timescaledb(durable=True) as engine:
                measured.update(experiment.run(engine))
    except Unavailable as reason:
        console.print(f"The bench needs TimescaleDB. {reason}", style="red")
        return 2
    finally:
        _write(measured)
    missed = _show(console, chosen, measured)
    return 1 if missed else 0


def _write(measured: dict[str, float]) -> None:
    """Keep the figures of earlier runs that were not measured now."""
    known = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    LATEST.write_text(json.dumps({**known, **measured}, indent=2, sort_keys=True) + "\n")


def _show(console: Console, chosen: list[Experiment], measured: dict[str, float]) -> list[str]:
    table = Table(Column("figure", no_wrap=True), "value", "target", "", "what it is")
    missed = []
    for figure in (figure for experiment in chosen for figure in experiment.figures):
        value = measured[figure.name]
        good = figure.good(value)
        verdict = "" if not figure.target else "[green]met[/]" if good else "[red]missed[/]"
        table.add_row(figure.name, f"{value:.3g}", figure.target, verdict, figure.meaning)
        if not good:
            missed.append(figure.name)
    console.print(table)
    return missed


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("words", nargs="*", metavar="WORD", help="part of a figure's name, such as ingest or chart")
    sys.exit(main(asked.parse_args().words))
