"""`fieldlab apply`: declare who and what is in the lab."""

from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from cli.administration import AdminUrl, administering
from fieldlab.assets.lab import Lab
from fieldlab.errors import InvalidInput


def read_lab(path: Path) -> Lab:
    """Read a lab declaration; raises InvalidInput that names the place in the file."""
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Lab.model_validate(declared or {})
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        faults = (f"  {'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}" for fault in error.errors())
        raise InvalidInput(f"{path} does not declare a lab:\n" + "\n".join(faults)) from None


def apply(
    lab: Annotated[Path, typer.Argument(help="A YAML file with participants, sources, assets and their streams.")],
    admin_database_url: AdminUrl = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Declare who and what is in the lab: adds what is missing, changes what differs, removes nothing.

    One transaction; twice is the same as once. Running gateways take the change up by themselves.
    """
    from fieldlab.storage.declare import declare

    declared = read_lab(lab)
    with administering(admin_database_url, command="apply") as connection:
        changes = declare(connection, declared)
        for change in changes:
            typer.echo(str(change))
        if dry_run:
            connection.rollback()
    verb = "would change" if dry_run else "changed"
    typer.echo(f"{len(changes)} things {verb}." if changes else "The lab is as declared; nothing to change.")
