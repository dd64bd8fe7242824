"""Who listens to the nodes, and how much waits for them: what a past that must not overflow has to know.

asyncua's server drops the oldest value of a full queue without saying so (it never sets the overflow bit), so a past
played faster than life looks at the queues before it adds to them.
"""

from collections.abc import Iterable

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

_DEEPEST = 100


def listened_to(server: Server, nodes: Iterable[ua.NodeId]) -> int:
    """Give how many of these nodes a client monitors."""
    space = server.iserver.aspace
    values = (space[node].attributes[AttributeIds.Value] for node in nodes)
    return sum(1 for value in values if value.datachange_callbacks)


def has_room(server: Server) -> bool:
    """Tell whether every monitored item's queue can take one more value, and holds fewer than 100."""
    for subscription in server.iserver.subscription_service.subscriptions.values():
        items = getattr(subscription.monitored_item_srv, "_monitored_items", {})
        for identity, waiting in getattr(subscription, "_triggered_datachanges", {}).items():
            item = items.get(identity)
            if item is not None and len(waiting) >= _limit(item.queue_size):
                return False
    return True


def all_is_out(server: Server) -> bool:
    """Tell whether nothing waits to be sent and every notification sent is acknowledged."""
    return not any(
        getattr(subscription, "_triggered_datachanges", None)
        or getattr(subscription, "_not_acknowledged_results", None)
        for subscription in server.iserver.subscription_service.subscriptions.values()
    )


def _limit(queue_size: int) -> int:
    return min(queue_size, _DEEPEST) if queue_size else _DEEPEST
