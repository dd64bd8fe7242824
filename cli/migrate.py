"""`fieldlab migrate`: bring any supported database to head."""

import typer
from pydantic import SecretStr
from rich.console import Console

from cli.administration import AdminUrl
from fieldlab.settings import MigrateSettings


def migrate(admin_database_url: AdminUrl = None) -> None:
    """Bring the database to the newest schema; safe to run twice, and on plain PostgreSQL or any TimescaleDB.

    Passwords of the process roles are set from FIELDLAB_GATEWAY_PASSWORD, FIELDLAB_API_PASSWORD and
    FIELDLAB_MAINTAINER_PASSWORD where these are given.
    """
    from migrations import runner
    from migrations.roles import API, GATEWAY, MAINTAINER

    settings = MigrateSettings.load(admin_database_url=admin_database_url)
    url = settings.admin_database_url.get_secret_value()
    with Console(stderr=True).status("Connecting") as status:
        report = runner.migrate(url, tell=status.update)
        given: dict[str, SecretStr | None] = {
            GATEWAY: settings.gateway_password,
            API: settings.api_password,
            MAINTAINER: settings.maintainer_password,
        }
        runner.set_passwords(url, {role: word.get_secret_value() for role, word in given.items() if word is not None})
    done = "is at" if report.was == report.now else f"went from {report.was or 'empty'} to"
    typer.echo(f"The schema {done} revision {report.now}; engine {report.engine.value} ({report.version}).")
    if report.open:
        typer.echo(
            f"{len(report.open)} system views and functions, such as {report.open[0]}, still tell every database user "
            "sizes and counts of what is stored, until a superuser runs fieldlab migrate.",
            err=True,
        )
