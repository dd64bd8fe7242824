"""How much the gateway holds, how long it waits, and which times it takes."""

from dataclasses import dataclass, field

from gateway.bind import Discipline


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of the ingest process; sizes in samples, times in seconds.

    `batch` is the most samples of one transaction, unless one delivery alone holds more. `waiting` is how many samples
    may wait to be written before the sources have to wait. `outage` is how long the database may be away before the
    gateway reports itself unhealthy, `drain` how long it goes on writing after it was told to stop.
    """

    batch: int = 10_000
    waiting: int = 50_000
    outage: float = 30.0
    drain: float = 10.0
    discipline: Discipline = field(default_factory=Discipline)
