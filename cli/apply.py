"""`fieldlab apply` and what belongs to it: declare who and what is in the lab, and write that down again."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from cli.administration import AdminUrl, administering
from cli.lab_schema import options_of, schema
from fieldlab.assets.asset_type import read_types
from fieldlab.assets.difference import Change, Mark, Plan
from fieldlab.assets.lab import Lab
from fieldlab.assets.lab_file import parse, text_of
from fieldlab.errors import InvalidInput
from fieldlab.readings.instant import Instant

DIFFERENT: Final = 3
"""The exit status of `--check` where the lab is not as declared."""

_COLOURS: Final = {Mark.ADDED: "green", Mark.CHANGED: "yellow", Mark.KEPT: "dim"}
_HEADING: Final = """\
# yaml-language-server: $schema={schema}
# What is in the lab, as `fieldlab export-lab` found it.
"""


def read_lab(path: Path) -> Lab:
    """Read a lab declaration; raises InvalidInput that names line and keys of every fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}.") from None
    return parse(text, name=str(path), types=read_types(), options=options_of)


def apply(
    lab: Annotated[Path, typer.Argument(help="A YAML file with participants, sources, assets and trials.")],
    admin_database_url: AdminUrl = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="As --dry-run, with exit status 3 if anything would change.")
    ] = False,
) -> None:
    """Declare who and what is in the lab: adds what is missing, changes what differs, removes nothing.

    Shows the difference, asks nothing. One transaction; twice is the same as once. Running gateways take the change up
    by themselves.
    """
    from fieldlab.storage.declare import declare

    declared = read_lab(lab)
    with administering(admin_database_url, command="apply") as connection:
        plan = declare(connection, declared)
        if dry_run or check:
            connection.rollback()
    show(plan, done=not (dry_run or check))
    if check and plan.effective:
        raise typer.Exit(DIFFERENT)


def export_lab(
    admin_database_url: AdminUrl = None,
    schema_url: Annotated[
        str, typer.Option("--schema", help="Where editors find the schema: a URL, or a path.")
    ] = "lab.schema.json",
) -> None:
    """Write the lab as it is as a lab.yaml, on standard output; applied to the same lab it changes nothing.

    Streams of asset types are written out. Holds no secret, no measurement, and no hand-over outside of a trial.
    """
    from fieldlab.assets.export import declaration
    from fieldlab.storage.inventory import read_inventory

    with administering(admin_database_url, command="export-lab") as connection:
        lab = declaration(read_inventory(connection))
    sys.stdout.write(text_of(lab, heading=_HEADING.format(schema=schema_url)))


def lab_schema() -> None:
    """Print the JSON Schema of lab.yaml, with which editors complete and check it."""
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")


def show(plan: Plan, *, done: bool) -> None:
    """Print a plan as a difference: what is new, what changes from what to what, and what is kept undeclared."""
    console = Console(highlight=False, soft_wrap=True)
    for change in plan.changes:
        colour = _COLOURS[change.mark]
        kept = "  (not declared, kept)" if change.mark is Mark.KEPT else ""
        console.print(f"[{colour}]{escape(str(change))}{kept}[/]")
        for line in _details(change):
            console.print(f"[{colour}]    {escape(line)}[/]")
    kept = f" {len(plan.of(Mark.KEPT))} are not declared, and kept." if plan.of(Mark.KEPT) else ""
    if plan.effective:
        console.print(f"{len(plan.effective)} things {'changed' if done else 'would change'}.{kept}")
    else:
        console.print(f"The lab is as declared; nothing to change.{kept}")


def _details(change: Change) -> list[str]:
    if change.mark is Mark.CHANGED:
        return [f"{one.name}: {_written(one.old)} → {_written(one.new)}" for one in change.properties]
    return [f"{one.name}: {_written(one.new)}" for one in change.properties if one.new not in (None, "", (), {})]


def _written(value: object) -> str:
    if isinstance(value, Instant | timedelta) or (isinstance(value, str) and value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
