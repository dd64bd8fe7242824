"""Where the wires meet the gateway: what a connector hands over, and the one shape of a connector."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fieldlab.assets.description import Description
from fieldlab.readings.columns import Columns
from fieldlab.readings.gap import Gap, OpenGap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reject
from fieldlab.readings.samples import Samples


def _nothing() -> None:
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What arrived together from one source; `described` is what it says of addresses of its own accord.

    `columns` are numbers that came before `samples`, from a connector that reads many in one step.

    Whatever the source measured before `heard_until` was handed over with this delivery or earlier, or stands in a gap;
    None says nothing of it. A gap begins there when a later process finds that the source went on without it.

    `safe` is called once, from the event loop's thread, when every part of the delivery will survive a crash: only
    then may the connector acknowledge it to its source. Deliveries of one source become safe in the order handed over.
    """

    samples: Samples
    rejects: tuple[Reject, ...] = ()
    gaps: tuple[Gap, ...] = ()
    described: tuple[Description, ...] = ()
    heard_until: Instant | None = None
    safe: Callable[[], None] = _nothing
    columns: Columns | None = None

    @property
    def size(self) -> int:
        """Count what must find a fate: numbers, samples, and the samples of rejects."""
        numbers = 0 if self.columns is None else len(self.columns)
        return numbers + len(self.samples) + sum(reject.samples for reject in self.rejects)

    @property
    def rows(self) -> Samples:
        """Give all samples as lists, in order."""
        return self.samples if self.columns is None else Samples.joined([self.columns.rows(), self.samples])


Deliver = Callable[[Delivery], Awaitable[None]]
"""Takes one delivery; it returns when the gateway has room for more, so a full gateway holds its sources back."""


class Connector(Protocol):
    """One configured connection to a wire. Building it checks its configuration and opens nothing."""

    @property
    def connected(self) -> bool:
        """Tell whether, at this moment, the source would hand over what it measures: connected and subscribed."""

    async def run(self, deliver: Deliver) -> None:
        """Connect, and hand over deliveries until cancelled.

        Errors that are worth another try are retried for ever with back-off and jitter; InvalidSettings ends it.
        """

    def watch(self, addresses: Iterable[str]) -> None:
        """Tell which addresses are bound now; a wire that must ask for each address asks for these."""


@runtime_checkable
class Mending(Protocol):
    """What a connector can do, besides, whose source may keep a history."""

    def recall(self, gaps: Iterable[OpenGap]) -> None:
        """Tell which gaps at its addresses are open; it fetches what it can, and closes those that it has mended.

        Gaps that it is mending already may be among them.
        """
