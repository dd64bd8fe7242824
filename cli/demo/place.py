"""Where a demo keeps everything: one directory, used by one demo at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fieldlab.errors import Conflict, InvalidSettings

_LOCK: Final = "lock"
_MARKS: Final = (_LOCK, "tokens.json")
"""What tells a demo's directory from any other."""


@contextmanager
def kept_in(directory: Path, *, fresh: bool) -> Iterator[Path]:
    """Give the directory, made if need be and emptied if `fresh`, and keep other demos out of it meanwhile.

    Raises InvalidSettings for a directory that cannot be used, or is not a demo's and would be emptied; Conflict if
    another demo runs in it.
    """
    directory = directory.resolve()
    if any(map(str.isspace, str(directory))):
        raise InvalidSettings(
            f"PostgreSQL takes no blanks in the name of its directory, and {str(directory)!r} has some; "
            "choose another one with --directory."
        )
    if fresh and directory.is_dir() and any(directory.iterdir()) and not any((directory / m).exists() for m in _MARKS):
        raise InvalidSettings(f"{directory} holds things that are not a demo's; --fresh would throw them away.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / _LOCK).open("ab")
    except OSError as error:
        raise InvalidSettings(
            f"The demo cannot keep anything in {directory}: {error.strerror}; choose another one with --directory."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Another demo runs in {directory}; stop it, or choose another one with --directory."
            ) from None
        if fresh:
            _empty(directory)
        yield directory


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
