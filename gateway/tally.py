"""What became of each source's samples since the gateway started, in numbers; no value and no owner stands here."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.reject import Reason


class State(StrEnum):
    """How a source's connector is doing; one that runs is connected or still trying to be."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    MISCONFIGURED = "misconfigured"
    FAILED = "failed"


@dataclass(kw_only=True, slots=True)
class Tally:
    """The account of one source: received = stored + duplicates + rejected + waiting, at any time.

    `last_heard` is when a delivery came last, `heard_until` what the connector said of the newest that did.
    """

    source: str
    fault: State | None = None
    message: str = ""
    connected: Callable[[], bool] = lambda: False
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    last_heard: Instant | None = None
    heard_until: Instant | None = None
    _unwritten: deque[Instant] = field(default_factory=deque)
    newest: Instant | None = None

    @property
    def state(self) -> State:
        """Tell how the source's connector is doing now."""
        return self.fault or (State.CONNECTED if self.connected() else State.CONNECTING)

    @property
    def waiting(self) -> int:
        """Count what was received and has none of the other fates yet."""
        return self.received - self.stored - self.duplicates - self.rejected.total()

    def arrived(self, at: Instant) -> None:
        """Note that something arrived; what comes within a second of it is not told apart."""
        if not self._unwritten or at >= self._unwritten[-1] + SECOND:
            self._unwritten.append(at)

    def written(self, until: Instant) -> None:
        """Note that what arrived up to a moment has its fate."""
        while self._unwritten and self._unwritten[0] <= until:
            self._unwritten.popleft()

    @property
    def oldest_waiting(self) -> Instant | None:
        """Give when the oldest sample that waits to be written arrived, to the second; None when none waits."""
        return self._unwritten[0] if self._unwritten and self.waiting else None

    @property
    def conflicts(self) -> int:
        """Count the rejects whose stream and time held another value."""
        return self.rejected[Reason.CONFLICT]

    def lag(self, now: Instant) -> float | None:
        """Give the seconds from the newest stored sample's time until now; None before the first."""
        return None if self.newest is None else max(0.0, (now - self.newest) / 1e6)


class Tallies:
    """The tallies of all sources, by id; one that was removed is kept, so that its account still adds up."""

    def __init__(self) -> None:
        self._by_source: dict[int, Tally] = {}

    def of(self, source: int) -> Tally:
        """Give the tally of a source."""
        return self._by_source.setdefault(source, Tally(source=str(source)))

    def items(self) -> list[tuple[int, Tally]]:
        """Give the tallies with the ids of their sources."""
        return list(self._by_source.items())

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._by_source.values())
