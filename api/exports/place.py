"""Where exports lie on the service's disk: a directory for each, with its ticket and, in the end, its package.

Whoever can read these files can read what is in them, so they are for this process's user alone. Processes that share
the directory share the jobs.
"""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from fieldlab.ownership.export import Ticket

_TICKET: Final = "ticket"
_PACKAGE: Final = "package.zip"
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

    def package(self, id_: UUID) -> Path:
        """Give the file of a finished export."""
        return self._directory / str(id_) / _PACKAGE

    def unfinished(self, id_: UUID) -> Path:
        """Give the file that a job writes to."""
        return self._directory / str(id_) / f"{_PACKAGE}.part"

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
