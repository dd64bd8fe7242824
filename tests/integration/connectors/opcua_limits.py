"""OPC UA servers that allow less than others: as controllers and concentrators do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from asyncua import ua
from asyncua.server.internal_session import InternalSession
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import BadTooManyOperations, BadTooManySubscriptions

from tests.contract.connectors.opcua_server import Machine


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server allows; `told` is whether it says so. Intervals are in milliseconds."""

    per_request: int = 1_000_000
    told: bool = True
    sampling: float = 0.0
    publishing: float = 0.0
    queue: int = 1_000_000
    subscriptions: int = 1_000_000


@dataclass
class Seen:
    """What a server was asked for: nodes of each request that it answered, requests refused, intervals granted."""

    sizes: list[int] = field(default_factory=list)
    refused: int = 0
    queues: list[int] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)


Service = Callable[[InternalSession, Any], Awaitable[Any]]

_REQUESTS = {"read": "NodesToRead", "browse": "NodesToBrowse", "translate_browsepaths_to_nodeids": ""}
_TOLD = (
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
)


@asynccontextmanager
async def limited(machine: Machine, limits: Limits) -> AsyncIterator[Seen]:
    """Run a machine whose server allows no more than this."""
    seen = Seen()
    patches: list[Any] = [
        patch.object(InternalSession, name, _counted(getattr(InternalSession, name), attribute, limits, seen))
        for name, attribute in _REQUESTS.items()
    ]
    create, items = SubscriptionService.create_subscription, SubscriptionService.create_monitored_items

    async def subscribe(self: SubscriptionService, params: Any, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        if len(self.subscriptions) >= limits.subscriptions:
            raise BadTooManySubscriptions
        params.RequestedPublishingInterval = max(params.RequestedPublishingInterval, limits.publishing)
        seen.intervals.append(params.RequestedPublishingInterval)
        return await create(self, params, *args, **more)

    async def monitor(self: SubscriptionService, params: ua.CreateMonitoredItemsParameters) -> Any:  # noqa: ANN401
        _count(params.ItemsToCreate, limits, seen)
        for item in params.ItemsToCreate:
            asked = item.RequestedParameters
            asked.QueueSize = min(asked.QueueSize, limits.queue)
            asked.SamplingInterval = max(asked.SamplingInterval, limits.sampling)
            seen.queues.append(asked.QueueSize)
        return await items(self, params)

    patches += [
        patch.object(SubscriptionService, "create_subscription", subscribe),
        patch.object(SubscriptionService, "create_monitored_items", monitor),
    ]
    await machine.start()
    if limits.told:
        for number in _TOLD:
            value = ua.DataValue(ua.Variant(limits.per_request, ua.VariantType.UInt32))
            await machine.server.iserver.write_attribute_value(ua.NodeId(ua.Int32(number)), value)
    for one in patches:
        one.start()
    try:
        yield seen
    finally:
        for one in patches:
            one.stop()
        await machine.stop()


def _counted(whole: Service, attribute: str, limits: Limits, seen: Seen) -> Service:
    async def counted(session: InternalSession, params: Any) -> Any:  # noqa: ANN401 - asyncua has many kinds of them
        _count(getattr(params, attribute) if attribute else params, limits, seen)
        return await whole(session, params)

    return counted


def _count(asked: Sized, limits: Limits, seen: Seen) -> None:
    if len(asked) > limits.per_request:
        seen.refused += 1
        raise BadTooManyOperations
    seen.sizes.append(len(asked))
