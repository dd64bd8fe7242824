"""Whether the database is there, as those saw it last who needed it."""

import logging
from typing import Final

from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant

_log: Final = logging.getLogger(__name__)


class Outage:
    """Remembers since when the database is away, and says once that it went and once that it is back."""

    def __init__(self) -> None:
        self.since: Instant | None = None

    def begins(self, error: Unavailable, *, now: Instant) -> None:
        """Note that the database could not be used."""
        if self.since is None:
            self.since = now
            _log.warning("%s Samples wait, and it is tried again for ever.", error)

    def ends(self, *, now: Instant) -> None:
        """Note that the database could be used."""
        if self.since is not None:
            _log.info("the database is back after %.1f s", (now - self.since) / 1e6)
            self.since = None
