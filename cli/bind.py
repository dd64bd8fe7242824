"""`fieldlab bind`: let what arrives and is not bound yet feed streams."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from cli.administration import AdminUrl, administering
from cli.apply import show
from fieldlab.assets.difference import Plan
from fieldlab.assets.name import split_reference
from fieldlab.assets.plug import Plug
from fieldlab.errors import InvalidInput, NotFound


def bind(
    address: Annotated[str | None, typer.Argument(help="One address, as `fieldlab discoveries` shows it.")] = None,
    stream: Annotated[
        str | None, typer.Argument(help="Its stream, as asset.stream; made if it is not there.", metavar="STREAM")
    ] = None,
    asset: Annotated[
        str | None, typer.Option(help="The asset; without an address, whatever names it or its topics cover.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Addresses, with {asset} and {stream} where their names stand, * for anything.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where it arrives; not needed if there is only one.")] = None,
    unit: Annotated[str | None, typer.Option(help="UCUM code of new streams, if the source does not tell it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    admin_database_url: AdminUrl = None,
) -> None:
    """Bind one address, those of a pattern, or a whole asset; samples that came before are stored.

    Makes the streams that are missing, as `fieldlab apply` would, and shows the difference. Gateways take it up by
    themselves. One: `fieldlab bind 'lab/mill-1/telemetry#power' mill-1.power --unit W`. Many:
    `fieldlab bind --asset mill-1`, or `--pattern 'lab/{asset}/telemetry#{stream}'`.
    """
    from fieldlab.storage.plugging import bind_discoveries

    named = None if stream is None else split_reference(stream)
    if stream is not None and (named is None or asset not in (None, named[0])):
        raise InvalidInput(f"{stream!r} is no stream of the asset; write it as asset.stream, such as mill-1.power.")
    with administering(admin_database_url, command="bind") as connection:
        plug = Plug(
            source=source or _only_source(connection),
            asset=asset if named is None else named[0],
            address=address,
            pattern=pattern,
            stream=None if named is None else named[1],
            unit=unit,
        )
        outcome = bind_discoveries(connection, plug)
        if dry_run:
            connection.rollback()
    show(Plan(changes=outcome.plan.effective), done=not dry_run)
    for left in outcome.left_out:
        typer.echo(f"{left} is left out: its asset is not in the lab; declare it first.", err=True)


def _only_source(connection: Connection) -> str:
    from fieldlab.storage.inventory import read_inventory

    there = list(read_inventory(connection).sources)
    if len(there) != 1:
        raise NotFound(f"Name the source with --source; there is: {', '.join(there) or 'none; add one first'}.")
    return there[0]
