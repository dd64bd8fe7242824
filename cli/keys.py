"""`fieldlab key`: issue, list and revoke API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cli.administration import AdminUrl, administering
from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import Instant

_LONGEST_LINE: Final = 1_000

app: Final = typer.Typer(help="Issue, list and revoke API keys.", no_args_is_help=True)


@app.command("create")
def create(
    participant: Annotated[str, typer.Option(help="Slug of the participant the key acts for.")],
    principal: Annotated[str, typer.Option(help="The person or service that will use it, as shown in logs.")] = "cli",
    scope: Annotated[list[Permission], typer.Option(help="What it allows; repeat for more.")] = [Permission.DATA_READ],  # noqa: B006 - typer copies it
    stream: Annotated[
        list[str] | None,
        typer.Option(
            help="What it is limited to, as asset.stream; repeat for more. It then only reads. Else no limit."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 90,
    admin_database_url: AdminUrl = None,
) -> None:
    """Make a key and print its token, once: it is kept nowhere."""
    from fieldlab.storage import keys

    expires_at = Instant.of(datetime.now(UTC) + timedelta(days=days))
    with administering(admin_database_url, command="key") as connection:
        issued = keys.issue(
            connection,
            participant=participant,
            principal=principal,
            permissions=frozenset(scope),
            expires_at=expires_at,
            streams=stream or None,
        )
    typer.echo(issued.token)
    typer.echo(
        f"Key {issued.id} of {participant}, valid until {expires_at}. Keep the token; it is not shown again.", err=True
    )


@app.command("list")
def list_(
    participant: Annotated[str | None, typer.Option(help="Only this participant's keys.")] = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """List keys, without their tokens."""
    from fieldlab.storage import keys

    with administering(admin_database_url, command="key") as connection:
        found = keys.listed(connection, participant=participant)
    if not found:
        typer.echo("There are no keys; fieldlab key create makes one.", err=True)
        return
    table = Table("id", "participant", "principal", "scopes", "streams", "until", "last used", box=None, pad_edge=False)
    for key in found:
        until = f"revoked {key.revoked_at}" if key.revoked_at else str(key.expires_at)
        scopes = " ".join(key.permissions)
        streams = "all" if key.streams is None else " ".join(key.streams)
        table.add_row(str(key.id), key.participant, key.principal, scopes, streams, until, str(key.used_at or "never"))
    console = Console()
    console.width = max(console.width, Console(width=_LONGEST_LINE).measure(table).maximum)
    console.print(table, soft_wrap=True)


@app.command("revoke")
def revoke(
    key: Annotated[UUID, typer.Argument(help="The key's id, as `fieldlab key list` shows it.")],
    admin_database_url: AdminUrl = None,
) -> None:
    """Make a key void at once."""
    from fieldlab.storage import keys

    with administering(admin_database_url, command="key") as connection:
        keys.revoke(connection, key)
    typer.echo(f"Key {key} is void from now on.")


@app.command("admission")
def admission_(admin_database_url: AdminUrl = None) -> None:
    """Make the key with which the query service admits an issuer's callers; print it, once. An earlier one is void."""
    from fieldlab.storage import admission

    with administering(admin_database_url, command="key") as connection:
        typer.echo(admission.make_key(connection))
    typer.echo("Give it to the query service as FIELDLAB_API_OIDC_KEY, and to nobody else.", err=True)
