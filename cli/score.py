"""`fieldlab score`: how well alarms found what was wrong."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.refusal import clearly


def score(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.CSV", help="What was wrong: written by simulate --truth.")],
    alarms: Annotated[Path, typer.Argument(metavar="ALARMS.CSV", help="What was raised: columns asset and time.")],
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Count only these faults, as tool_wear; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score alarms against the truth of a simulated play: precision, recall and lead time.

    Precision is the share of alarms raised while a fault of that asset was there; recall the share of faults with an
    alarm in them; lead time the mean time from a fault's first alarm to its end: what was left to act.
    """
    from rich.console import Console
    from rich.table import Table

    from simulators.errors import InvalidSettingError
    from simulators.truth import read_alarms, read_truth
    from simulators.truth import score as scored

    with clearly():
        known = read_truth(truth)
        if unknown := set(fault or ()) - {one.fault for one in known}:
            names = ", ".join(sorted({one.fault for one in known})) or "none"
            raise InvalidSettingError(f"{truth} has no fault {min(unknown)!r}; it has {names}")
        result = scored([one for one in known if not fault or one.fault in fault], read_alarms(alarms))
    if as_json:
        seconds = None if result.lead is None else result.lead.total_seconds()
        typer.echo(
            json.dumps(
                {
                    "alarms": result.alarms,
                    "faults": result.faults,
                    "precision": result.precision,
                    "recall": result.recall,
                    "lead_seconds": seconds,
                }
            )
        )
        return
    table = Table("", "value", "what it is")
    table.add_row("precision", _share(result.precision), f"of {result.alarms:,} alarms, raised while a fault was there")
    table.add_row("recall", _share(result.recall), f"of {result.faults:,} faults, with an alarm in them")
    table.add_row("lead time", _span(result.lead), "from a fault's first alarm to its end, on average")
    Console(highlight=False).print(table)


def _share(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"


def _span(lead: timedelta | None) -> str:
    return "-" if lead is None else str(timedelta(seconds=round(lead.total_seconds())))
