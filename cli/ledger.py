"""`fieldlab ledger`: look for changes in the access ledger, and forget what is old."""

import json
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.administration import AdminUrl, administering
from fieldlab.errors import InvalidInput
from fieldlab.ownership.access import Checkpoint

app: Final = typer.Typer(help="Look for changes in the ledger of who read what.", no_args_is_help=True)

_CHANGED: Final = 1
_HASH: Final = 64
_HEADER: Final = re.compile(r"^(?:Ledger-Checkpoint: *)?(\d+) ([0-9a-f]{64})\s*$", re.MULTILINE | re.IGNORECASE)
"""A checkpoint as it stands in the headers of an answer."""


@app.command("verify")
def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A file with a kept checkpoint: an answer as JSON, or its headers. Repeat for more."),
    ] = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """Compute every hash of the ledger anew, and find what was edited, removed or put in another order.

    Without a checkpoint from outside only a careless change is found: keep them where the lab's administrator cannot
    reach them. Exit status 1 if anything was changed.
    """
    from fieldlab.storage import ledger_check

    kept = [_read(path) for path in checkpoint or ()]
    with administering(admin_database_url, command="ledger") as connection:
        report = ledger_check.verify(connection, kept)
    for fault in report.faults:
        typer.echo(f"CHANGED: {fault}", err=True)
    if report.faults:
        raise typer.Exit(_CHANGED)
    whole = f"{report.checkpoint.size:,} entries, nothing changed"
    typer.echo(f"{whole}; they begin with those of your checkpoint." if kept else f"{whole}.")
    if report.forgotten:
        typer.echo(f"Of {report.forgotten:,} old entries only the hash is kept.")
    if report.waiting:
        typer.echo(f"{report.waiting:,} entries wait to be sealed; a running fieldlab api does it.")
    if report.undone:
        typer.echo(f"{report.undone:,} accesses of the last year were noted and undone; see docs/operations.md.")
    typer.echo(json.dumps({"size": report.checkpoint.size, "root": report.checkpoint.root}))


@app.command("forget")
def forget(
    years: Annotated[int, typer.Option(min=1, max=100, help="Entries older than this; their hashes stay.")],
    admin_database_url: AdminUrl = None,
) -> None:
    """Forget the texts of old entries: who read what that long ago. Proofs and checkpoints go on to hold.

    The database refuses it for entries younger than a year. It is an entry of the ledger itself.
    """
    from fieldlab.storage import ledger_check

    with administering(admin_database_url, command="ledger") as connection:
        forgotten = ledger_check.forget(connection, years=years)
    typer.echo(f"{forgotten:,} entries forgotten; their hashes stay.")


def _read(path: Path) -> Checkpoint:
    try:
        text = path.read_text(encoding="utf-8")
        header = _HEADER.search(text)
        found = {"size": int(header[1]), "root": header[2]} if header else json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as JSON: {error}.") from None
    inner = found.get("checkpoint", found) if isinstance(found, dict) else None
    match inner:
        case {"size": int(size), "root": str(root)} if size >= 0 and len(root) == _HASH:
            return Checkpoint(size=size, root=root.lower())
    raise InvalidInput(
        f'{path} holds no checkpoint; it looks like {{"size": 1204, "root": "…64 hexadecimal digits…"}}.'
    )
