"""What a server is asked to watch in a subscription: the values of nodes, and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from connectors.opcua.border import border
from connectors.opcua.config import OpcuaOptions
from connectors.opcua.events import CLAUSES
from connectors.opcua.requests import TOO_MUCH, node_id
from connectors.opcua.session import Session
from connectors.opcua.value import NodeKey

_EVENTS_KEPT: Final = 10_000
"""Events that the server is asked to keep between two answers."""

_FILTER_REFUSED: Final = {
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A node to be watched, under a handle that comes back with each of its values."""

    handle: int
    node: ua.NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitored:
    """What the server said to an item: the handle to delete it with, or the status code and why it refused.

    `queue` is how many values the server keeps for it between two answers.
    """

    server_handle: int
    code: int
    refusal: str
    queue: int


class Monitoring:
    """The items of a session's subscription; every method raises Unavailable when server or connection fail it."""

    def __init__(self, session: Session, options: OpcuaOptions) -> None:
        self._session = session
        self._options = options
        self._most = min(options.items_per_call, session.requests.limits.monitor)

    async def values(self, items: Sequence[Item]) -> list[Monitored]:
        """Ask for the values of nodes; one that the server does not have is refused and hinders no other."""
        found = await self._create(items, _every_time())
        plain = [item for item in items if found[item.handle].code in _FILTER_REFUSED]
        if plain:
            found |= await self._create(plain, None)
        return [found[item.handle] for item in items]

    async def events(self, items: Sequence[Item]) -> list[Monitored]:
        """Ask for the events of notifiers, with the fields of `CLAUSES`."""
        found = await self._create(items, _event_filter(), attribute=AttributeIds.EventNotifier)
        return [found[item.handle] for item in items]

    async def forget(self, server_handles: Sequence[int]) -> None:
        """Ask no longer for what these items watch."""
        for at in range(0, len(server_handles), self._most):
            with border():
                await self._session.services.delete_monitored_items(
                    ua.DeleteMonitoredItemsParameters(
                        SubscriptionId=self._session.subscription.id,
                        MonitoredItemIds=list(server_handles[at : at + self._most]),
                    )
                )

    async def refresh(self) -> None:
        """Have the server tell once more which conditions it retains (OPC 10000-9, 5.5.7).

        Raises Unavailable, with the status, where it refuses.
        """
        call = ua.CallMethodRequest(
            ObjectId=node_id(NodeKey(0, ObjectIds.ConditionType)),
            MethodId=node_id(NodeKey(0, ObjectIds.ConditionType_ConditionRefresh)),
            InputArguments=[ua.Variant(self._session.subscription.id, ua.VariantType.UInt32)],
        )
        with border():
            (result,) = await self._session.services.call([call])
            result.StatusCode.check()

    async def _create(
        self,
        items: Sequence[Item],
        watched: ua.DataChangeFilter | ua.EventFilter | None,
        *,
        attribute: AttributeIds = AttributeIds.Value,
    ) -> dict[int, Monitored]:
        found: dict[int, Monitored] = {}
        while len(found) < len(items):
            some = items[len(found) : len(found) + self._most]
            with border():
                try:
                    results = await self._session.services.create_monitored_items(
                        ua.CreateMonitoredItemsParameters(
                            SubscriptionId=self._session.subscription.id,
                            TimestampsToReturn=ua.TimestampsToReturn.Both,
                            ItemsToCreate=[self._request(item, watched, attribute) for item in some],
                        )
                    )
                except TOO_MUCH:
                    if len(some) == 1:
                        raise
                    self._most = max(1, len(some) // 2)
                    continue
            for item, result in zip(some, results, strict=True):
                good = result.StatusCode.is_good()
                found[item.handle] = Monitored(
                    server_handle=result.MonitoredItemId,
                    code=result.StatusCode.value,
                    refusal="" if good else f"it answers {result.StatusCode.name}",
                    queue=result.RevisedQueueSize,
                )
        return found

    def _request(
        self, item: Item, watched: ua.DataChangeFilter | ua.EventFilter | None, attribute: AttributeIds
    ) -> ua.MonitoredItemCreateRequest:
        of_events = attribute is AttributeIds.EventNotifier
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=item.node, AttributeId=attribute),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=item.handle,
                SamplingInterval=0.0 if of_events else self._options.sampling_interval,
                Filter=watched,
                QueueSize=_EVENTS_KEPT if of_events else self._options.queue_size,
                DiscardOldest=True,
            ),
        )


def _every_time() -> ua.DataChangeFilter:
    """Ask for values that repeat too, as long as their time is new."""
    return ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


def _event_filter() -> ua.EventFilter:
    chosen = ua.EventFilter()
    chosen.SelectClauses = [
        ua.SimpleAttributeOperand(
            TypeDefinitionId=node_id(NodeKey(0, kind)),
            BrowsePath=[ua.QualifiedName(name, 0) for name in names],
            AttributeId=AttributeIds.Value,
        )
        for kind, names in CLAUSES
    ]
    return chosen


def refusals(why: Mapping[str, str]) -> dict[str, Monitored]:
    """Refuse what cannot even be asked for, with the reason."""
    return {
        text: Monitored(server_handle=0, code=StatusCodes.BadNodeIdUnknown, refusal=reason, queue=0)
        for text, reason in why.items()
    }
