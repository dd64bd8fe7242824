"""`fieldlab source`: name a broker or server, and see what arrives."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
import yaml
from rich.console import Console

from cli.administration import AdminUrl, administering
from cli.apply import show
from cli.lab_schema import options_of
from fieldlab.assets.asset_type import read_types
from fieldlab.assets.difference import Plan
from fieldlab.assets.lab_file import parse
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import InvalidInput

app: Final = typer.Typer(help="Add a connection to a wire.", no_args_is_help=True)

_WIRES: Final = {"mqtt": Wire.MQTT, "mqtts": Wire.MQTT, "opc.tcp": Wire.OPCUA}


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="mqtt://host:port, mqtts://host:port or opc.tcp://host:port.")],
    name: Annotated[str | None, typer.Option(help="Its slug; made of the host if not given.")] = None,
    topic: Annotated[list[str], typer.Option(help="MQTT topic filter to subscribe to; repeat for more.")] = [],  # noqa: B006 - typer copies it
    recipe: Annotated[
        str | None,
        typer.Option(help="Configure it as for this device: one of connectors/mqtt/recipes, such as shelly."),
    ] = None,
    option: Annotated[list[str], typer.Option(help="Another option of its connector, as key=value in YAML.")] = [],  # noqa: B006 - typer copies it
    admin_database_url: AdminUrl = None,
) -> None:
    """Add a source, or change the one that --name names, as `fieldlab apply` would. Gateways connect by themselves.

    Secrets stay outside: name the gateway's variable with --option password_env=NAME. What arrives and is not bound
    shows in `fieldlab discoveries`.
    """
    from connectors.mqtt.recipe import options as options_for
    from fieldlab.storage.declare import declare, inventory_to_change

    parts = urlsplit(url)
    wire = _WIRES.get(parts.scheme)
    if wire is None or not parts.hostname:
        raise InvalidInput("Write the URL as mqtt://host:port, mqtts://host:port or opc.tcp://host:port.")
    if "@" in parts.netloc:
        raise InvalidInput("The URL holds a user or password; give --option user=… and --option password_env=….")
    slug = name or re.sub(r"[^a-z0-9]+", "-", parts.hostname.lower()).strip("-")
    if recipe is not None and wire is not Wire.MQTT:
        raise InvalidInput("Recipes are for MQTT; leave --recipe out.")
    options: dict[str, object] = {} if recipe is None else options_for(recipe)
    options |= {"topics": topic} if topic else {}
    options |= {key: yaml.safe_load(value) for key, _, value in (one.partition("=") for one in option)}
    if wire is Wire.MQTT:
        options.setdefault("topics", ["#"])
    declared = yaml.safe_dump({"sources": {slug: {"wire": wire.value, "url": url, "options": options}}})
    lab = parse(declared, name="the source", types=read_types(), options=options_of)
    with administering(admin_database_url, command="source") as connection:
        known = inventory_to_change(connection).sources.get(slug)
        if name is None and known is not None and known.url != url:
            there = f"There is a source {slug} at {known.url}."
            raise InvalidInput(f"{there} Name this one with --name, or give --name {slug} to change it.")
        plan = declare(connection, lab)
    show(Plan(changes=plan.effective), done=True)


@app.command("certificate")
def certificate(
    source: Annotated[str, typer.Argument(help="Slug of an OPC UA source.")],
    directory: Annotated[
        Path, typer.Option(envvar="FIELDLAB_GATEWAY_DIRECTORY", show_envvar=True, help="The gateway's directory.")
    ] = Path(".fieldlab/gateway"),
    application_uri: Annotated[
        str, typer.Option(help="As in the source's options; it stands in a certificate that is made now.")
    ] = "urn:fieldlab:gateway",
) -> None:
    """Print the certificate by which the gateway shows itself, as PEM, for the server's trust list.

    It is made on first use and kept. The fingerprints of both sides go to standard error.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from connectors.opcua.credentials import Credentials, fingerprint, read

    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", source):
        raise InvalidInput(f"{source!r} is no slug; write it as in `sources:` of lab.yaml.")
    kept = Credentials.kept(directory, source)
    kept.make(application_uri, now=datetime.now(UTC))
    own = read(kept.certificate)
    typer.echo(own.public_bytes(Encoding.PEM).decode(), nl=False)
    end = f"{own.not_valid_after_utc:%Y-%m-%d}"
    typer.echo(f"SHA-256 {fingerprint(own)}, valid until {end}, {kept.certificate}", err=True)
    if kept.server.exists():
        typer.echo(f"The server is known by SHA-256 {fingerprint(read(kept.server))}, {kept.server}", err=True)


@app.command("browse")
def browse(
    url: Annotated[str, typer.Argument(help="opc.tcp://host:port of an OPC UA server.")],
    name: Annotated[str, typer.Option(help="The source's slug: under it certificates are kept.")] = "browse",
    option: Annotated[list[str], typer.Option(help="An option of the source, as key=value in YAML.")] = [],  # noqa: B006 - typer copies it
    depth: Annotated[int, typer.Option(min=1, max=50, help="How many levels below Objects.")] = 8,
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many nodes at most.")] = 20_000,
    directory: Annotated[
        Path, typer.Option(envvar="FIELDLAB_GATEWAY_DIRECTORY", show_envvar=True, help="The gateway's directory.")
    ] = Path(".fieldlab/gateway"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the variables as JSON, one a line.")] = False,
) -> None:
    """Show what an OPC UA server offers: its tree, with types, units, ranges, access and history.

    What is shown in angle brackets is the address to bind. Without --option security=… the server is asked openly.
    """
    import asyncio

    from cli.opcua_tree import lines, tree
    from connectors.opcua.connector import browsed

    if urlsplit(url).scheme != "opc.tcp":
        raise InvalidInput("Only OPC UA servers can be browsed; write the URL as opc.tcp://host:port.")
    options = {key: yaml.safe_load(value) for key, _, value in (one.partition("=") for one in option)}
    source = Source(id=0, slug=name, wire=Wire.OPCUA, url=url, options={"security": "none"} | options)
    found = asyncio.run(browsed(source, environment=os.environ, directory=directory, depth=depth, most=most))
    if as_json:
        for line in lines(found):
            typer.echo(line)
    else:
        Console().print(tree(url, found))
