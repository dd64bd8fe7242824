"""The `fieldlab` command: one subcommand a process, each imported only when it is asked for."""

import sys
from typing import Annotated, Final

import typer

from cli import accounts, apply, bind, devices, discoveries, keys, ledger, migrate, score, sources, take_out, tenures
from cli.demo import command as demo
from cli.processes import api, gateway
from cli.simulate.command import simulate
from fieldlab.errors import FieldlabError, InvalidInput

_FAILED: Final = 1
_USAGE: Final = 2

app = typer.Typer(
    name="fieldlab",
    help="The data platform of a Field Lab: machines' data in over MQTT and OPC UA, out again with its owner and "
    "terms.\n\nNew here? `fieldlab demo` shows everything on this machine, without a server or root.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode="markdown",
)
app.command("demo")(demo.demo)
app.command("migrate")(migrate.migrate)
app.command("apply")(apply.apply)
app.command("export-lab")(apply.export_lab)
app.command("lab-schema")(apply.lab_schema)
app.add_typer(keys.app, name="key")
app.add_typer(devices.app, name="device")
app.add_typer(sources.app, name="source")
app.command("discoveries")(discoveries.discoveries)
app.command("bind")(bind.bind)
app.command("accounts")(accounts.accounts)
app.add_typer(ledger.app, name="ledger")
app.add_typer(tenures.app, name="tenure")
app.command("take-out")(take_out.take_out)
app.command("gateway")(gateway)
app.command("api")(api)
app.command("simulate")(simulate)
app.command("score")(score.score)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fieldlab {version('fieldlab')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a known error is one sentence on standard error and exit status 1, or 2 for wrong input."""
    try:
        app()
    except FieldlabError as error:
        sys.stderr.write(f"fieldlab: {error}\n")
        sys.exit(_USAGE if isinstance(error, InvalidInput) else _FAILED)
