"""The name by which servers know this gateway again after a restart, kept in its directory."""

import re
import secrets
from pathlib import Path
from typing import Final

from fieldlab.errors import InvalidSettings

_FILE: Final = "identity"
_NAME: Final = re.compile(r"[a-z0-9]{12}")


def identity(directory: Path) -> str:
    """Give the name of the gateway that works in this directory; the first call makes one, of 12 letters and digits.

    Raises InvalidSettings when the directory cannot be written.
    """
    path = directory / _FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            new = directory / f"{_FILE}.new"
            new.write_text(secrets.token_hex(6), "ascii")
            new.replace(path)  # a crash or a full disk leaves no half of a name
        name = path.read_text("ascii").strip()
    except OSError as error:
        raise InvalidSettings(f"FIELDLAB_GATEWAY_DIRECTORY: {directory} cannot be written: {error.strerror}.") from None
    if not _NAME.fullmatch(name):
        raise InvalidSettings(f"{path} does not hold the name of a gateway; remove it, and a new one is made.")
    return name
