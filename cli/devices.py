"""`fieldlab device`: credentials of devices at a broker, and the broker's files that hold them."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from cli.administration import AdminUrl, administering
from fieldlab.assets.broker_files import LISTENER, AssetTopics, GatewayAccount, broker_files
from fieldlab.assets.broker_password import hashed, verifies
from fieldlab.assets.source import Source
from fieldlab.errors import InvalidInput, InvalidSettings

app: Final = typer.Typer(help="Issue, list and revoke credentials of devices at a broker.", no_args_is_help=True)

PASSWORDS: Final = "passwords"
RIGHTS: Final = "rights"
LISTENER_FILE: Final = "listener.conf"
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODE: Final = 0o640

SourceName = Annotated[
    str | None, typer.Option("--source", help="Slug of the MQTT source; not needed if there is only one.")
]


@app.command("add")
def add(
    asset: Annotated[str, typer.Argument(help="Slug of the asset whose values it sends.")],
    source: SourceName = None,
    user: Annotated[
        str | None, typer.Option(help="Its user name at the broker; the asset's slug if not given.")
    ] = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """Give a device a credential and print its user and password, once: the password is kept nowhere.

    The broker knows it after `fieldlab device files` and a reload.
    """
    from fieldlab.storage import devices

    name = user or asset
    if not _USER.fullmatch(name):
        raise InvalidInput(f"{name!r} is no user name; use 1 to 64 letters, digits and . _ - and begin with no sign.")
    with administering(admin_database_url, command="device") as connection:
        broker = devices.broker_of(connection, source)
        issued = devices.add(connection, asset=asset, source=broker, user=name)
    typer.echo(f"user {issued.user}\npassword {issued.password}")
    typer.echo(
        "Keep the password; it is not shown again. Next: fieldlab device files --source "
        f"{issued.source}, and reload the broker.",
        err=True,
    )


@app.command("list")
def list_(
    asset: Annotated[str | None, typer.Option(help="Only this asset's devices.")] = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """List devices, without their passwords."""
    from fieldlab.storage import devices

    with administering(admin_database_url, command="device") as connection:
        found = devices.listed(connection, asset=asset)
    table = Table("source", "asset", "user", "since", "state")
    for one in found:
        state = f"revoked {one.revoked_at}" if one.revoked_at else "valid"
        table.add_row(one.source, one.asset, one.user, str(one.created_at), state)
    Console().print(table)


@app.command("revoke")
def revoke(
    user: Annotated[str, typer.Argument(help="The device's user name at the broker.")],
    source: SourceName = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """Make a device's credential void, once the broker has its new files."""
    from fieldlab.storage import devices

    with administering(admin_database_url, command="device") as connection:
        broker = devices.broker_of(connection, source)
        devices.revoke(connection, source=broker, user=user)
    typer.echo(f"{user} is void after fieldlab device files --source {broker.slug} and a reload of the broker.")


@app.command("files")
def files(
    directory: Annotated[Path, typer.Option(help="Where to write them; made if it is not there.")],
    source: SourceName = None,
    admin_database_url: AdminUrl = None,
) -> None:
    """Write mosquitto's password and ACL files from the catalogue, and the lines that its listener needs.

    They are those of all sources at the broker. A gateway's password is found where the source's options say.
    A broker reads the files again at SIGHUP.
    """
    from fieldlab.storage import devices

    with administering(admin_database_url, command="device") as connection:
        sources = devices.of_one_broker(connection, devices.broker_of(connection, source))
        known = [account for one in sources for account in devices.accounts(connection, one)]
        topics: dict[str, AssetTopics] = {}
        for one in sources:
            for asset, own in devices.topics(connection, one, sparkplug=_sparkplug(one) is not None).items():
                topics[asset] = topics[asset].joined(own) if asset in topics else own
    directory.mkdir(parents=True, exist_ok=True)
    gateways = [_gateway(one, directory / PASSWORDS) for one in sources]
    written = broker_files(gateways=gateways, devices=known, assets=topics)
    contents = {LISTENER_FILE: LISTENER, RIGHTS: written.rights, PASSWORDS: written.passwords}
    changed = [name for name, content in contents.items() if _replace(directory / name, content)]
    for remark in written.remarks:
        typer.echo(remark, err=True)
    typer.echo(f"{len(known)} devices; {', '.join(changed)} written: reload the broker." if changed else "Up to date.")


def _sparkplug(source: Source) -> Mapping[str, object] | None:
    """Give the options of a Sparkplug source's payload; None for another format."""
    payload = source.options.get("payload")
    return payload if isinstance(payload, Mapping) and payload.get("format") == "sparkplug" else None


def _gateway(source: Source, passwords: Path) -> GatewayAccount:
    """Give the gateway's account; its line in the file that is there is kept while the password is the same."""
    user, variable, file = (source.options.get(key) for key in ("user", "password_env", "password_file"))
    where = f"Source {source.slug}"
    if not isinstance(user, str):
        raise InvalidSettings(f"{where}: options.user is missing; the gateway needs a user of its own at the broker.")
    if not _USER.fullmatch(user):
        raise InvalidSettings(f"{where}: options.user {user!r} cannot stand in mosquitto's files.")
    if isinstance(file, str):
        try:
            password = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise InvalidSettings(f"{where}: options.password_file {file} cannot be read: {error.strerror}.") from None
    elif isinstance(variable, str) and os.environ.get(variable):
        password = os.environ[variable]
    else:
        raise InvalidSettings(f"{where}: set {variable or 'options.password_env'} to the gateway's password there.")
    lines = passwords.read_text(encoding="utf-8").splitlines() if passwords.exists() else []
    kept = next((line.partition(":")[2] for line in lines if line.startswith(f"{user}:")), "")
    payload, subscriptions = _sparkplug(source), source.options.get("topics")
    host_id = None if payload is None else payload.get("host_id")
    return GatewayAccount(
        user=user,
        password_hash=kept if verifies(password, kept) else hashed(password),
        subscriptions=tuple(map(str, subscriptions)) if isinstance(subscriptions, list) else (),
        sparkplug=payload is not None,
        host_id=host_id if isinstance(host_id, str) else None,
    )


def _replace(path: Path, content: str) -> bool:
    """Put a file in place as a whole, for whoever owns its directory; tell whether it is another than before."""
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8") as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    place, owner = Path(new.name), path.parent.stat()
    place.chmod(_MODE)
    with suppress(PermissionError):
        os.chown(place, owner.st_uid, owner.st_gid)
    place.replace(path)
    return True
