"""Measure what Fieldlab promises by number, print a table, and write bench/latest.json.

A word chooses the experiments that have a figure with that word in its name; without one all are run.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Column, Table

from bench import answers, chart, discovery, ingest, live, mqtt, opcua, query, revocation, simulators, whole
from bench.figure import Experiment, Figure
from tests.servers.engine import Engine
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
    *revocation.EXPERIMENTS,
    *chart.EXPERIMENTS,
    *simulators.EXPERIMENTS,
)
WHOLE: Final = Figure(
    name="bench.minutes", meaning="for all of these; with an experiment that failed there is none", most=25.0
)
_PATIENCE: Final = 600
"""Seconds after which an experiment is given up."""
_FORKED: Final = multiprocessing.get_context("fork")
_WIDTH: Final = 160
"""Columns of the table where nobody says how wide it may be."""

LATEST: Final = Path(__file__).parent / "latest.json"


def main(words: Sequence[str]) -> int:
    """Run the chosen experiments on TimescaleDB; give the exit code: 1 when a figure misses its target or has none."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    chosen = [one for one in EXPERIMENTS if not words or any(word in f.name for word in words for f in one.figures)]
    if not chosen:
        names = ", ".join(figure.name for one in EXPERIMENTS for figure in one.figures)
        console.print(f"No figure's name holds {' or '.join(words)}; there are {names}.")
        return 2
    measured: dict[str, float] = {}
    begun = time.monotonic()
    try:
        for number, experiment in enumerate(chosen, start=1):
            console.print(f"{number}/{len(chosen)}", *(figure.name for figure in experiment.figures), style="dim")
            with timescaledb(durable=True) as engine:
                measured.update(_measured(console, experiment, engine))
            console.print(f"     {_spent(begun)} so far", style="dim")
    except Unavailable as reason:
        console.print(f"The bench needs TimescaleDB. {reason}", style="red")
        return 2
    finally:
        if not words and len(measured) == sum(len(one.figures) for one in EXPERIMENTS):
            measured[WHOLE.name] = (time.monotonic() - begun) / 60
        _write(measured)
    figures = [figure for experiment in chosen for figure in experiment.figures]
    missed = _show(console, [*figures, WHOLE] if not words else figures, measured)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[2]
    console.print(f"{_spent(begun)}, {cores} cores, load of the last quarter of an hour {load:.1f}", style="dim")
    return 1 if missed else 0


def _measured(console: Console, experiment: Experiment, engine: Engine) -> Mapping[str, float]:
    """Run an experiment in a process of its own.

    One that fails or does not end has no figures, and does not keep the others from being measured.
    """
    result, told = _FORKED.Pipe(duplex=False)
    process = _FORKED.Process(target=_run, args=(experiment, engine, told))
    process.start()
    told.close()
    try:
        if not result.poll(_PATIENCE):
            console.print(f"It was not over after {_PATIENCE} s.", style="red")
            return {}
        answer = result.recv()
    except EOFError:
        return {}
    finally:
        process.terminate()
        process.join()
    if isinstance(answer, Unavailable):
        raise answer
    return dict(answer)


def _run(experiment: Experiment, engine: Engine, told: Connection) -> None:
    """Send what an experiment measured, or what it lacks; whatever else ends it is shown, and nothing is sent."""
    try:
        told.send(experiment.run(engine))
    except Unavailable as reason:
        told.send(reason)
    except Exception:  # noqa: BLE001 - whatever it is, it is shown, and the run is no success
        Console().print_exception(max_frames=5)


def _spent(begun: float) -> str:
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    return f"{minutes} min {seconds} s"


def _write(measured: Mapping[str, float]) -> None:
    """Keep the figures of earlier runs that were not measured now."""
    known = json.loads(LATEST.read_text()) if LATEST.exists() else {}
    LATEST.write_text(json.dumps({**known, **measured}, indent=2, sort_keys=True) + "\n")


def _show(console: Console, figures: Sequence[Figure], measured: Mapping[str, float]) -> list[str]:
    """Print the table; give the names of the figures that miss their targets or were not measured."""
    table = Table(Column("figure", no_wrap=True), Column("value", justify="right"), "target", "", "what it is")
    missed = []
    for figure in figures:
        value = measured.get(figure.name)
        good = value is not None and figure.good(value)
        verdict = "[red]failed[/]" if value is None else "[green]met[/]" if good else "[red]missed[/]"
        shown = "" if value is None else f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
        table.add_row(figure.name, shown, figure.target, verdict if figure.target or not good else "", figure.meaning)
        if not good:
            missed.append(figure.name)
    console.print(table)
    return missed


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("words", nargs="*", metavar="WORD", help="part of a figure's name, such as ingest or chart")
    sys.exit(main(asked.parse_args().words))
