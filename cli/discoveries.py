"""`fieldlab discoveries`: what arrives and is not bound to any stream yet, live in the terminal."""

import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Column, Table

from cli.administration import AdminUrl, administering
from fieldlab.storage.discoveries import Discovery, every_discovery

_WIDEST: Final = 40
_HINT: Final = "fieldlab bind takes one, a pattern or a whole asset; or declare it in lab.yaml and run fieldlab apply."


def discoveries(
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print them once; so it is too where the output is a file.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 1.0,
    admin_database_url: AdminUrl = None,
) -> None:
    """Show addresses that no stream is bound to: latest value, kind, rate and what they are; until Ctrl-C."""
    console = Console()
    if once or not console.is_terminal:
        console.print(table(_read(admin_database_url, source)))
        return
    try:
        with Live(table(_read(admin_database_url, source)), console=console, screen=False) as live:
            while True:
                time.sleep(every)
                live.update(table(_read(admin_database_url, source)))
    except KeyboardInterrupt:
        return


def table(found: Sequence[Discovery]) -> Table:
    """Lay discoveries out for a terminal; control characters of a device's text are shown as escapes."""
    shown = Table(
        *(
            "source",
            "address",
            "kind",
            "unit",
            "what it is",
            Column("latest", justify="right"),
            Column("rate", justify="right"),
            "last seen",
        ),
        caption=_HINT if found else "Nothing that is not bound arrives.",
    )
    for one in found:
        rate = f"{one.per_second:.3g}/s" if one.per_second else ""
        latest = one.value if isinstance(one.value, str) else f"{one.value:g}" if one.value is not None else ""
        said = ": ".join(word for word in (one.quantity, one.description) if word)
        row = (one.source, one.address, one.kind, one.unit or "", said, latest, rate, str(one.last_seen))
        shown.add_row(*(escape(_printable(str(cell))) for cell in row))
    return shown


def _printable(text: str) -> str:
    whole = text if text.isprintable() else text.encode("unicode_escape").decode()
    return whole if len(whole) <= 2 * _WIDEST else whole[: 2 * _WIDEST - 1] + "…"


def _read(admin_database_url: str | None, source: str | None) -> list[Discovery]:
    with administering(admin_database_url, command="discoveries") as connection:
        return every_discovery(connection, source=source)
