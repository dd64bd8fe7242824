"""Directories for one run: in memory where there is room, removed at the end, and by the next run after a crash."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "fieldlab-test-"
LOCK = "held"
MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3
"""Bytes that must be free in memory before a database is kept there."""


@contextmanager
def scratch(*, on_disk: bool = False) -> Iterator[Path]:
    """A new directory that everybody may traverse; its path is short enough for a Unix socket.

    The directory is held by a lock for as long as it is used. A run that was killed leaves its directory
    without a holder, and the next one removes it.
    """
    parent = Path(tempfile.gettempdir()) if on_disk or not _has_room(MEMORY) else MEMORY
    _sweep(parent)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    path.chmod(0o755)
    with (path / LOCK).open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _has_room(place: Path) -> bool:
    try:
        return os.access(place, os.W_OK) and shutil.disk_usage(place).free >= ROOM
    except OSError:
        return False


def _sweep(parent: Path) -> None:
    """Remove what killed runs left behind."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            with (path / LOCK).open("r+") as holder:
                fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue  # in use by another run, being made by it, or another user's
