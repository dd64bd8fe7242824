"""Where exports lie on the service's disk: a directory for each, with its ticket, then tables, then its package.

Whoever can read these files can read what is in them, so they are for this process's user alone. Processes that share
the directory share the jobs. A file is written under a name of its own and then renamed: under its name it is whole.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Final
from uuid import UUID

from fieldlab.ownership.export import Ticket

_TICKET: Final = "ticket"
_MOMENT: Final = "moment"
_TABLES: Final = "tables"
_PART: Final = ".part"
_SETTLED: Final = 60
"""Seconds after which a ticket without an export is one whose request was never finished."""


class Place:
    """The directory; it is made when the first export is asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def enter(self, id_: UUID, ticket: Ticket) -> None:
        """Keep a ticket, before anybody is told of the export."""
        own = self._directory / str(id_)
        own.mkdir(mode=0o700, parents=True)
        descriptor = os.open(own / _TICKET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(ticket.token)
            file.flush()
            os.fsync(file.fileno())

    def package(self, id_: UUID, sha256: str) -> Path:
        """Give the file of a finished export, which is named by what is in it: of two makers each has its own."""
        return self._directory / str(id_) / f"{sha256}.zip"

    def unfinished(self, id_: UUID) -> Path:
        """Give a file for a package to be."""
        descriptor, name = mkstemp(dir=self._directory / str(id_), suffix=_PART)
        os.close(descriptor)
        return Path(name)

    def moment(self, id_: UUID) -> Path:
        """Give the file that says as of when a job reads."""
        return self._directory / str(id_) / _MOMENT

    def table(self, id_: UUID, stream: UUID) -> Path:
        """Give the file of one stream's finished table."""
        return self._directory / str(id_) / _TABLES / f"{stream}.parquet"

    def assembled(self, id_: UUID) -> None:
        """Delete what a package was made of."""
        shutil.rmtree(self._directory / str(id_) / _TABLES, ignore_errors=True)

    def withdraw(self, id_: UUID) -> None:
        """Delete all there is of an export but its ticket."""
        self.assembled(id_)
        for pattern in ("*.zip", f"*{_PART}"):
            for path in (self._directory / str(id_)).glob(pattern):
                path.unlink(missing_ok=True)

    def tickets(self, *, settled: bool = False) -> Mapping[UUID, Ticket]:
        """Give all tickets by export; with `settled` only those that are not just being asked for."""
        found: dict[UUID, Ticket] = {}
        latest = time.time() - _SETTLED
        for path in self._directory.glob(f"*/{_TICKET}"):
            with suppress(FileNotFoundError, ValueError):
                if not settled or path.stat().st_mtime <= latest:
                    found[UUID(path.parent.name)] = Ticket(token=path.read_text(encoding="ascii"))
        return found

    def remove(self, id_: UUID) -> None:
        """Delete an export with all that belongs to it; one that is not there is none."""
        shutil.rmtree(self._directory / str(id_), ignore_errors=True)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that is there when all of it is on the disk, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = mkstemp(dir=path.parent, suffix=_PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
