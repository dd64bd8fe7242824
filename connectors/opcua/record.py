"""What the gateway knows of a server, over all sessions with it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.opcua.address import node_of
from connectors.opcua.browse import Found
from connectors.opcua.hole import Holes, recalled
from connectors.opcua.subscription import Subscription
from connectors.opcua.wanted import Wanted
from fieldlab.readings.gap import OpenGap
from fieldlab.readings.instant import Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """That nobody listened `since` a moment, and when each node was heard `last` before it."""

    since: Instant | None
    last: Mapping[str, Instant]


@dataclass(kw_only=True, slots=True)
class Record:
    """What outlasts a session: the nodes wanted, those refused, and until when the server was heard.

    Nothing that was measured before `heard` is missing, by the server's clock, but for what an `absence` says: it lasts
    until every node is monitored again and its gap is told, however many sessions that takes. `last` is the time of the
    latest reading of each node; `holes` what is to be fetched from history; `subscription` what the next session may
    take over; `backfill` the microseconds of history wanted from a server that was never heard; `attended` tells that
    a session stands and has been asked for every node. `bound` is what somebody bound, `taken` what the source's own
    options choose, by address.
    """

    heard: Instant | None
    absence: Absence | None = None
    bound: tuple[str, ...] = ()
    taken: Mapping[str, Found] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=Wanted)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[str, Instant] = field(default_factory=dict)
    last: dict[str, Instant] = field(default_factory=dict)
    holes: Holes = field(default_factory=Holes)
    subscription: Subscription | None = None
    backfill: int = 0
    attended: bool = False

    def want(self, addresses: Iterable[str]) -> None:
        """Want these addresses and no others, besides what is taken."""
        self.bound = tuple(addresses)
        self._choose()

    def take(self, found: Iterable[Found]) -> None:
        """Take these variables besides what is bound, and no others."""
        self.taken = {one.by_path: one for one in found}
        self._choose()

    def recall(self, gaps: Iterable[OpenGap]) -> None:
        """Take up gaps that earlier processes left open."""
        for hole in recalled(gaps):
            self.holes.recall(hole)
        self.holes.keep(self.wanted.nodes)

    def _choose(self) -> None:
        """Want what is bound, and what is taken unless it is bound by another name."""
        bound = {node_of(address) for address in self.bound}
        others = [text for text, one in self.taken.items() if text not in bound and one.address not in bound]
        self.wanted = Wanted.of([*self.bound, *others])
        self.refused = {text: at for text, at in self.refused.items() if text in self.wanted.addresses}
        self.last = {text: at for text, at in self.last.items() if text in self.wanted.nodes}
        self.holes.keep(self.wanted.nodes)
        self.changed.set()
