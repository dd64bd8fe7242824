"""The sequence numbers of one edge node (specification 3.0, 6.4.7 and 5.10): what is missing, and since when."""

from typing import Final

from fieldlab.readings.instant import Instant

NUMBERS: Final = 256
"""Sequence numbers, and death numbers, begin again after as many."""

_BEHIND: Final = 128


class Order:
    """Begins with a birth. Messages that come late, but within the time-out, leave nothing missing."""

    def __init__(self, seq: int, at: Instant) -> None:
        self._next = (seq + 1) % NUMBERS
        self._missing: set[int] = set()
        self.heard = at
        """When the last message in its order was received."""
        self.since: Instant | None = None
        """When the first message came out of its order, of those that still leave something missing."""
        self.before = at
        """When the last message before those that are missing was received."""

    def take(self, seq: int, at: Instant) -> None:
        """Note a message with its number."""
        ahead = (seq - self._next) % NUMBERS
        if seq in self._missing:
            self._missing.discard(seq)
        elif ahead >= _BEHIND:
            self._lack({seq}, at)
        else:
            if ahead:
                self._lack({(self._next + step) % NUMBERS for step in range(ahead)}, at)
            self._next = (seq + 1) % NUMBERS
        if not self._missing:
            self.since = None
            self.heard = at

    def forgive(self, at: Instant) -> None:
        """Expect no longer what is missing."""
        self._missing.clear()
        self.since = None
        self.heard = at

    def _lack(self, numbers: set[int], at: Instant) -> None:
        if self.since is None:
            self.since, self.before = at, self.heard
        self._missing |= numbers
