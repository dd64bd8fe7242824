"""Where a password comes from: an environment variable or a file, that the options name; never the options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings

_OWN: Final = re.compile(r"(?i)fieldlab_\w*(?:database_url|admin_password|gateway_password|api_password)|pg\w*")
_SYSTEM: Final = {"proc", "sys", "dev"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A password that is known, or a file that holds it; it never shows in a log."""

    value: str | None = field(default=None, repr=False)
    file: Path | None = None
    key: str = ""

    def read(self) -> str | None:
        """Give the password, or None where none was configured; a file is read anew, so it may change.

        Raises InvalidSettings for a file that cannot be read.
        """
        if self.file is None:
            return self.value
        try:
            return self.file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(f"{self.key} names {self.file}, which cannot be read: {_why(error)}.") from None


def secret_of(
    source: Source, *, variable: str | None, file: Path | None, environment: Mapping[str, str], name: str = "password"
) -> Secret:
    """Find the secret that `options.<name>_env` or `options.<name>_file` names; reads no file yet.

    Raises InvalidSettings for a variable that is not set, or when both are given. Whoever may configure sources names
    the variable, and the server that gets the secret: so the platform's own are refused.
    """
    key = f"Source {source.slug}: options.{name}"
    if variable is not None and _OWN.fullmatch(variable):
        raise InvalidSettings(
            f"{key}_env names a secret of the platform itself; give the source a variable of its own."
        )
    if file is not None and _SYSTEM & set(file.parts[:2]):
        raise InvalidSettings(f"{key}_file names {file}, which is no file of a secret; name one that holds it alone.")
    if variable is not None and file is not None:
        raise InvalidSettings(f"{key}_env and {name}_file are both given; keep one.")
    if variable is not None and variable not in environment:
        raise InvalidSettings(f"{key}_env names the environment variable {variable}, which is not set.")
    value = environment[variable] if variable is not None else None
    return Secret(value=value, file=file, key=f"{key}_file")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown error") if isinstance(error, OSError) else "it is not UTF-8 text"
