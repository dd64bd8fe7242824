"""What the gateway is to a broker beyond one that receives: pure, and asked by the connector at the right moments."""

from dataclasses import dataclass
from typing import Protocol

from connectors.mqtt.decode import Batch, Decoder, Message
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """A message that the gateway itself publishes."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Role(Protocol):
    """Reads the messages of one source, and says what the gateway has to publish."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Give topic filters that the role needs beyond those of the source."""

    @property
    def forgets(self) -> bool:
        """Tell whether each connection begins a session of its own, which ends with it."""

    @property
    def due(self) -> Instant | None:
        """Tell when `after` should be called, if nothing arrives."""

    def will(self, now: Instant) -> Post | None:
        """Give the message that the broker shall publish when the connection that begins now is lost."""

    def joined(self, now: Instant) -> list[Post]:
        """Give what is to be published once the subscription stands."""

    def leaving(self, now: Instant) -> list[Post]:
        """Give what is to be published before the gateway disconnects."""

    def renewed(self) -> None:
        """Note that the messages from now on came over a new connection."""

    def into(self, batch: Batch, message: Message) -> None:
        """Add what a message holds to a batch; raises nothing, whatever the payload holds."""

    def after(self, batch: Batch, now: Instant) -> list[Post]:
        """Add to a batch what its messages show missing, and give what is to be published."""


class Listener:
    """The usual role: it publishes nothing, and its session outlasts its connections."""

    topics: tuple[str, ...] = ()
    forgets = False
    due: Instant | None = None

    def __init__(self, decoder: Decoder) -> None:
        self.into = decoder.into

    def will(self, _now: Instant) -> Post | None:
        """Leave none."""
        return None

    def joined(self, _now: Instant) -> list[Post]:
        """Publish nothing."""
        return []

    def leaving(self, _now: Instant) -> list[Post]:
        """Publish nothing."""
        return []

    def renewed(self) -> None:
        """Go on: each message means the same over every connection."""

    def after(self, _batch: Batch, _now: Instant) -> list[Post]:
        """Publish nothing."""
        return []
