"""`fieldlab gateway` and `fieldlab api`: the two processes of the platform."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from fieldlab.settings import ApiSettings, GatewaySettings

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def gateway(
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="FIELDLAB_GATEWAY_DATABASE_URL", show_envvar=True, help="postgresql://… as fieldlab_gateway."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where /healthz and /metrics listen. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Their port. [default: 8001]")] = None,
    directory: Annotated[
        Path | None, typer.Option(help="Where what waits is kept on disk. [default: .fieldlab/gateway]")
    ] = None,
) -> None:
    """Take in what the configured sources deliver, until stopped; several may run at once.

    Each option can be given as FIELDLAB_GATEWAY_… in the environment. Passwords of sources come from the environment
    variables that the sources name.
    """
    from cli.stop import until_stopped
    from gateway.interpreter import tune
    from gateway.process import run

    settings = GatewaySettings.load(
        gateway_database_url=database_url, gateway_host=host, gateway_port=port, gateway_directory=directory
    )
    logging.basicConfig(level=logging.INFO, format=_LINE)
    tune()
    until_stopped(
        lambda stop: run(
            database_url=settings.gateway_database_url.get_secret_value(),
            directory=settings.gateway_directory,
            host=settings.gateway_host,
            port=settings.gateway_port,
            stop=stop,
        )
    )


def api(
    database_url: Annotated[
        str | None,
        typer.Option(envvar="FIELDLAB_API_DATABASE_URL", show_envvar=True, help="postgresql://… as fieldlab_api."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where it listens. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Its port. [default: 8000]")] = None,
) -> None:
    """Answer participants with the data they have a right to, until stopped; several may run at once.

    Each option can be given as FIELDLAB_API_… in the environment. The documentation is at /docs.
    """
    from api.process import run
    from cli.lab_schema import options_of

    settings = ApiSettings.load(api_database_url=database_url, api_host=host, api_port=port)
    logging.basicConfig(level=logging.INFO, format=_LINE)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    run(settings, options_of=options_of)
