"""Who listens to the nodes, and how much waits for them: what a past that must not overflow has to know.

asyncua's server drops the oldest value of a full queue without saying so (it never sets the overflow bit), so a past
played faster than life looks at the queues before it adds to them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

_LOG = logging.getLogger(__name__)
_DEEPEST = 100
_LOOK_EVERY_S = 0.01
_SETTLED_S = 1.0


class Audience:
    """The clients of one server.

    A subscription that takes nothing for `patience` seconds is not waited for again, until it takes something.
    """

    def __init__(self, server: Server, patience: float, stop: asyncio.Event) -> None:
        self._server = server
        self._patience = patience
        self._stop = stop
        self._given_up: set[int] = set()

    async def gathered(self, nodes: Sequence[ua.NodeId]) -> None:
        """Wait until a client monitors every node, or some and no more for a second; at most `patience` seconds."""
        deadline = time.monotonic() + self._patience
        before, since = 0, time.monotonic()
        while not self._stop.is_set():
            now, many = time.monotonic(), self._listened_to(nodes)
            if many != before:
                before, since = many, now
            if many == len(nodes) or (many and now - since >= _SETTLED_S):
                return
            if now >= deadline:
                _LOG.info("nobody listens after %g s; the past is played for HistoryRead alone", self._patience)
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def has_room(self) -> None:
        """Wait until every monitored item's queue can take one more value, and holds fewer than 100."""
        await self._until_none(_full)

    async def has_all(self) -> None:
        """Wait until nothing waits to be sent and every notification sent is acknowledged."""
        await self._until_none(_owed)

    async def _until_none(self, behind: Callable[[InternalSubscription], bool]) -> None:
        last: dict[int, tuple[int, float]] = {}
        while not self._stop.is_set():
            slow = {one.data.SubscriptionId: _untaken(one) for one in self._subscriptions() if behind(one)}
            self._given_up &= slow.keys()
            now = time.monotonic()
            for identity in slow.keys() - self._given_up:
                untaken, since = last.get(identity, (None, now))
                if untaken != slow[identity]:
                    last[identity] = (slow[identity], now)
                elif now - since >= self._patience:
                    _LOG.warning("a subscriber takes nothing for %g s; going on without it", self._patience)
                    self._given_up.add(identity)
            if slow.keys() <= self._given_up:
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _listened_to(self, nodes: Sequence[ua.NodeId]) -> int:
        space = self._server.iserver.aspace
        values = (space[node].attributes[AttributeIds.Value] for node in nodes)
        return sum(1 for value in values if value.datachange_callbacks)

    def _subscriptions(self) -> list[InternalSubscription]:
        return list(self._server.iserver.subscription_service.subscriptions.values())


def _full(subscription: InternalSubscription) -> bool:
    items = getattr(subscription.monitored_item_srv, "_monitored_items", {})
    for identity, waiting in getattr(subscription, "_triggered_datachanges", {}).items():
        item = items.get(identity)
        if item is not None and len(waiting) >= (min(item.queue_size, _DEEPEST) if item.queue_size else _DEEPEST):
            return True
    return False


def _untaken(subscription: InternalSubscription) -> int:
    """Count what waits to be sent and what is sent but not acknowledged: while it changes, the subscriber takes."""
    waiting = getattr(subscription, "_triggered_datachanges", {})
    return sum(map(len, waiting.values())) + len(getattr(subscription, "_not_acknowledged_results", ()))


def _owed(subscription: InternalSubscription) -> bool:
    waiting = getattr(subscription, "_triggered_datachanges", None)
    return bool(waiting or getattr(subscription, "_not_acknowledged_results", None))
