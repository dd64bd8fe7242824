"""An input that could not become a measurement, kept with its bytes and a reason a person can act on."""

from dataclasses import dataclass
from enum import StrEnum

from fieldlab.readings.instant import Instant


class Reason(StrEnum):
    """Why an input was refused; stable names for filters and metrics."""

    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    INVALID_TIME = "invalid_time"
    TOO_FAR_IN_FUTURE = "too_far_in_future"
    TOO_LATE = "too_late"
    UNBOUND = "unbound"
    UNKNOWN_ADDRESS = "unknown_address"
    NOT_ALLOWED = "not_allowed"
    CONFLICT = "conflict"
    REFUSED_BY_DATABASE = "refused_by_database"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """One refused input: `detail` says what was wrong, where, and what to do; `raw` is what arrived.

    `address` and `time` (microseconds since the Unix epoch) are given where they were readable. A reject may stand for
    several `samples` of one address with one reason: `raw` then holds a line for each, `time` is the first's.
    """

    reason: Reason
    detail: str
    raw: bytes
    received_at: Instant
    address: str | None = None
    time: Instant | None = None
    samples: int = 1
