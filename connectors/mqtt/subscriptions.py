"""What a session at a broker is subscribed to, kept on the disk: a broker keeps it too, and does not tell."""

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path

_log = logging.getLogger(__name__)


class Subscriptions:
    """The topic filters that a broker granted to one session.

    Without a `directory`, or where the disk does not take them, nothing is remembered.
    """

    def __init__(self, directory: Path | None, *, server: str, client_id: str) -> None:
        name = hashlib.sha256(f"{client_id}@{server}".encode()).hexdigest()[:32]
        self._path = None if directory is None else directory / "subscriptions" / f"{name}.json"

    def read(self) -> list[str]:
        """Give the filters that were granted; nothing where none is known."""
        try:
            found = [] if self._path is None else json.loads(self._path.read_text())
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def keep(self, filters: Iterable[str]) -> None:
        """Remember these filters instead of those before."""
        granted = list(filters)
        if self._path is None or granted == self.read():
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            written = self._path.with_suffix(".new")
            written.write_text(json.dumps(granted))
            written.replace(self._path)
        except OSError as error:
            _log.warning(
                "%s cannot be written: %s. A topic that is left out later will go on arriving.", self._path, error
            )
