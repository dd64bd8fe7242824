"""How much the gateway holds, how long it waits, and which times it takes."""

from dataclasses import dataclass, field
from typing import Final

from gateway.bind import Discipline

_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of the ingest process; times in seconds.

    `group` is how many samples end the wait for a group commit of the spool, `linger` the least time between two of
    them. `batch` is the most samples of one transaction of the database, `batch_bytes` the most bytes of its records.
    `pending` is how many samples may wait for the spool, `memory` how many of those in the spool are kept in memory
    too. `spool` is how many bytes the spool may take on the disk; when it is full the sources wait.

    Samples at unbound addresses are held for `held_age`, at most `held_samples` an address, in at most `held_bytes`;
    `discoveries` is how many addresses of a source are noted.

    `outage` is how long the database may be away before the gateway reports itself unhealthy, `drain` how long it goes
    on writing after it was told to stop.
    """

    group: int = 1_000
    linger: float = 0.005
    batch: int = 20_000
    batch_bytes: int = 16 * _MEBIBYTE
    pending: int = 20_000
    memory: int = 250_000
    spool: int = 1024 * _MEBIBYTE
    held_age: float = 86_400.0
    held_samples: int = 10_000
    held_bytes: int = 64 * _MEBIBYTE
    discoveries: int = 10_000
    outage: float = 30.0
    drain: float = 10.0
    discipline: Discipline = field(default_factory=Discipline)
