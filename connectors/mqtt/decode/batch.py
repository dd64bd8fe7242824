"""What goes into a decoder and what comes out of it."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fieldlab.assets.description import Description
from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples

RAW_KEPT: Final = 65_536
"""Bytes of a refused payload that are kept with its reject."""


class Message(NamedTuple):
    """One message as it came in; `retained` tells that the broker had kept it from before the subscription.

    `missing` bytes at the end of a very large payload were not kept.
    """

    topic: str
    payload: bytes
    received_at: Instant
    retained: bool
    missing: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What one message held."""

    samples: Samples
    rejects: tuple[Reject, ...]
    described: tuple[Description, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What a burst of messages held, gathered in columns, what they say of their addresses, and what is missing."""

    samples: Samples = field(default_factory=Samples)
    rejects: list[Reject] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    described: list[Description] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to hand over."""
        return not (self.samples.addresses or self.rejects or self.gaps or self.described)

    def refuse(self, message: Message, reason: Reason, detail: str, *, address: str | None = None) -> None:
        """Put a message, or one value of it at `address`, among the rejects."""
        cut = len(message.payload) + message.missing - RAW_KEPT
        self.rejects.append(
            Reject(
                reason=reason,
                detail=detail if cut <= 0 else f"{detail} (The last {cut} bytes of the payload are not kept.)",
                raw=message.payload[:RAW_KEPT],
                received_at=message.received_at,
                address=address or message.topic,
            )
        )
