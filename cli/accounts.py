"""`fieldlab accounts`: what became of everything that sources handed over."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.administration import AdminUrl, administering

_COUNTS: Final = ("received", "stored", "duplicates", "rejected", "waiting")


def accounts(
    days: Annotated[int, typer.Option(min=1, max=36500, help="How many days back, today included.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
    admin_database_url: AdminUrl = None,
) -> None:
    """Show for each day, source and stream: received = stored + duplicates + rejected + waiting.

    Days are in UTC: of measuring for what is stored or a duplicate, of receipt for the rest.
    """
    from fieldlab.storage.ingest import every_account

    since = (datetime.now(UTC) - timedelta(days=days - 1)).date()
    with administering(admin_database_url, command="accounts") as connection:
        found = every_account(connection, since=since)
    if as_json:
        for account in found:
            typer.echo(json.dumps(asdict(account), default=str))
        return
    if not found:
        typer.echo(f"Nothing was handed over since {since}; fieldlab accounts --days 30 looks further back.")
        return
    table = Table("day", "source", "stream", *(Column(name, justify="right") for name in _COUNTS))
    for account in found:
        stream = f"{account.asset}.{account.stream}" if account.stream else ""
        counts = (f"{getattr(account, name):,}" for name in _COUNTS)
        table.add_row(str(account.day), account.source or "", stream, *counts)
    Console().print(table)
