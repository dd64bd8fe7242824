"""What a listener is sent: events with a name, a JSON document, and the position to go on from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import orjson

from fieldlab.readings.instant import Instant


class Kind(StrEnum):
    """The names of events."""

    SEGMENTS = "segments"
    SEGMENT = "segment"
    SAMPLES = "samples"
    MISSED = "missed"
    ALIVE = "alive"
    END = "end"


class Reason(StrEnum):
    """Why an answer ended."""

    AGREEMENT_TERMINATED = "agreement.terminated"
    AGREEMENT_SUSPENDED = "agreement.suspended"
    AGREEMENT_EXPIRED = "agreement.expired"
    BREAK_GLASS_CLOSED = "break_glass.closed"
    CREDENTIAL_VOID = "credential.void"
    UNAVAILABLE = "service.unavailable"
    STOPPING = "service.stopping"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event, written once for all who get it.

    `position` is where whoever got it goes on from; `rows` is how many samples it has, measured in `[start, until)`,
    and `counts` how many of them each segment has, by its number.
    """

    kind: Kind
    data: dict[str, Any]
    position: str | None = None
    rows: int = 0
    counts: Mapping[int, int] = field(default_factory=dict)
    start: Instant | None = None
    until: Instant | None = None

    @cached_property
    def sse(self) -> bytes:
        """Write it as a server-sent event (HTML Standard, 9.2.5); a sign of life has a position and no data."""
        id_ = f"id: {self.position}\n".encode() if self.position is not None else b""
        if self.kind is Kind.ALIVE:
            return b": alive\n" + id_ + b"\n"
        return b"event: " + self.kind.encode() + b"\n" + id_ + b"data: " + orjson.dumps(self.data) + b"\n\n"

    @cached_property
    def message(self) -> str:
        """Write it as a message of a WebSocket: a JSON object with `event`, `id` and `data`."""
        return orjson.dumps({"event": self.kind, "id": self.position, "data": self.data}).decode()


_SAID: Final = {
    Reason.AGREEMENT_TERMINATED: "An agreement that this rests on was ended; ask again for what is left.",
    Reason.AGREEMENT_SUSPENDED: "An agreement that this rests on is suspended; ask again for what is left.",
    Reason.AGREEMENT_EXPIRED: "An agreement that this rests on has expired; ask again for what is left.",
    Reason.BREAK_GLASS_CLOSED: "The time of the emergency that this rests on is over.",
    Reason.CREDENTIAL_VOID: "The key has expired, was revoked, or may not follow data any more.",
    Reason.UNAVAILABLE: "Nobody can decide at this moment what you may see; go on with the last position.",
    Reason.STOPPING: "The service stops; go on with the last position.",
}


def ended(reason: Reason) -> Event:
    """Make the last event of an answer."""
    return Event(kind=Kind.END, data={"reason": reason, "detail": _SAID[reason]})
