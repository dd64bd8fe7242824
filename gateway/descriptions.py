"""What sources say of their addresses of their own accord: kept for the discoveries, newest word last."""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final

from fieldlab.assets.description import Description
from fieldlab.readings.instant import Instant

Key = tuple[int, str]

_MOST_FACTOR: Final = 4
"""How many descriptions are kept for each address of a source that may be noted: bound ones are described too."""


class Descriptions:
    """What is known of addresses, bound or not; bounded for each source. Told on one thread, asked on another."""

    def __init__(self, *, most: int) -> None:
        """`most` is how many addresses of a source are noted as discoveries."""
        self._most = most * _MOST_FACTOR
        self._known: dict[int, dict[str, Description]] = {}
        self._fresh: dict[Key, Instant] = {}
        self._lock = Lock()

    def tell(self, source: int, described: Iterable[Description], *, at: Instant) -> None:
        """Take what a source says; what it leaves open stays as it was."""
        with self._lock:
            known = self._known.setdefault(source, {})
            for one in described:
                before = known.get(one.address)
                if before is None and len(known) >= self._most:
                    continue
                known[one.address] = one if before is None else one.over(before)
                self._fresh[source, one.address] = at

    def of(self, source: int, address: str) -> Description | None:
        """Give what a source said of an address, if it said anything."""
        return self._known.get(source, {}).get(address)

    def fresh(self) -> Mapping[Key, Instant]:
        """Give the addresses that were told of since the last time, with the moment."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        return fresh
