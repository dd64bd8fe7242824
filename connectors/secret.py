"""Where a password comes from: an environment variable or a file, that the options name; never the options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings


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

    Raises InvalidSettings for a variable that is not set, or when both are given.
    """
    key = f"Source {source.slug}: options.{name}"
    if variable is not None and file is not None:
        raise InvalidSettings(f"{key}_env and {name}_file are both given; keep one.")
    if variable is not None and variable not in environment:
        raise InvalidSettings(f"{key}_env names the environment variable {variable}, which is not set.")
    value = environment[variable] if variable is not None else None
    return Secret(value=value, file=file, key=f"{key}_file")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown error") if isinstance(error, OSError) else "it is not UTF-8 text"
