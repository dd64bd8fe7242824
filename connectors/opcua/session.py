"""One session with a server: asyncua speaks the protocol; publish requests and acknowledgements are sent here.

asyncua's own publish loop acknowledges even what its callback failed on, and makes lost subscriptions anew in silence.
Here an answer is acknowledged when the caller says so, and every loss is told.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import (
    BadConnectionClosed,
    BadNoSubscription,
    BadTimeout,
    BadTooManyPublishRequests,
    UaStatusCodeError,
)

from connectors.opcua.address import OPC_UA, Identifier, NodeAddress
from connectors.opcua.client import ResumableClient
from connectors.opcua.config import OpcuaOptions
from connectors.opcua.credentials import Credentials
from connectors.opcua.subscription import Subscription
from connectors.opcua.trust import MODES, POLICIES, certificate_of, compare
from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.readings.instant import Instant

PATIENCE: Final = 10.0
"""Seconds that the server has for the answer to any request but publish."""

_AHEAD: Final = 2
"""Publish requests that wait at the server."""
_MOST_NOTIFICATIONS: Final = 10_000
_MISSED: Final = 3
"""Keep-alives that stay out before a subscription counts as lost."""
_RENEW_AT: Final = 0.75
"""Share of a secure channel's lifetime after which it is renewed (OPC 10000-4, 5.5.2.1)."""
_FAREWELL: Final = 2.0
_SHORTEST_SESSION: Final = 60_000
"""Milliseconds after which the server forgets a session that broke off; subscriptions outlast it."""

_FILTER_REFUSED: Final = {
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
}


class SubscriptionLost(Unavailable):
    """The connection stands, but the server answers for the subscription no longer, or has ended it: `for_good`."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A node to be monitored, under a handle that comes back with each of its values."""

    handle: int
    node: NodeAddress


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the server said, when by its own clock, and when it came in by that of the event loop."""

    result: ua.PublishResult
    published: Instant
    came: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitored:
    """What the server said to an item: the handle to delete it with, or the status code and why it refused."""

    server_handle: int
    code: int
    refusal: str


class Session:
    """An open session with one subscription. Every method raises Unavailable when server or connection fail it."""

    subscription: Subscription

    def __init__(self, client: ResumableClient, session: UaSession, options: OpcuaOptions) -> None:
        self._client = client
        self._session = session
        self._options = options
        self._silence = PATIENCE
        self._ahead = _AHEAD
        self._asked: deque[asyncio.Task[Answer]] = deque()
        self._namespaces: Mapping[str, int] = {OPC_UA: 0}
        self._renewed = time.monotonic()

    @classmethod
    async def opened(
        cls,
        *,
        url: str,
        options: OpcuaOptions,
        credentials: Credentials | None,
        password: str | None,
        name: str,
        earlier: Subscription | None = None,
    ) -> Self:
        """Connect, open a secure channel and a session, and move an earlier subscription there, or create a new one.

        A server that is met for the first time is pinned; raises ServerChanged for one with another certificate.
        """
        client = ResumableClient(url, timeout=PATIENCE)
        client.session_timeout = int(max(_SHORTEST_SESSION, 4 * _MISSED * options.keep_alive))
        client.application_uri = options.application_uri
        client.name = client.description = name
        opened = cls(client, client.uaclient.session, options)
        try:
            with border():
                await opened._open(credentials, password, earlier)
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _open(self, credentials: Credentials | None, password: str | None, earlier: Subscription | None) -> None:
        options = self._options
        if credentials is not None:
            if not credentials.server.exists():
                credentials.pin(await certificate_of(self._client.server_url.geturl(), options))
            await self._client.set_security(
                POLICIES[options.security],
                certificate=str(credentials.certificate),
                private_key=str(credentials.key),
                server_certificate=str(credentials.server),
                mode=MODES[options.mode],
            )
        await self._client.connect_socket()
        await self._client.send_hello()
        try:
            await self._client.open_secure_channel()
        except (TimeoutError, OSError):
            if credentials is None:
                raise
            await compare(credentials, self._client.server_url.geturl(), options)
            raise Unavailable(
                f"no secure channel with {options.security}: does the server trust the gateway's certificate "
                f"{credentials.certificate}, and offer this policy?"
            ) from None
        if earlier is None or not await self._resume(earlier, password):
            await self._client.create_session()
            await self._client.activate_session(username=options.user, password=password or None)
            if earlier is None or not await self._move(earlier):
                await self._subscribe()
        await self.learn_namespaces()
        self.subscription.key = self._client.key()

    async def _subscribe(self) -> None:
        options = self._options
        created = await self._session.create_subscription(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=options.publishing_interval,
                RequestedLifetimeCount=options.lifetime_count,
                RequestedMaxKeepAliveCount=options.keep_alive_count,
                MaxNotificationsPerPublish=_MOST_NOTIFICATIONS,
                PublishingEnabled=True,
                Priority=0,
            ),
            callback=lambda _: None,
        )
        self._silence = _MISSED * created.RevisedPublishingInterval * created.RevisedMaxKeepAliveCount / 1000 + 1.0
        interval = max(created.RevisedPublishingInterval, options.publishing_interval, options.sampling_interval)
        self.subscription = Subscription(
            id=created.SubscriptionId, silence=self._silence, interval=int(interval * 1000)
        )

    async def _resume(self, earlier: Subscription, password: str | None) -> bool:
        """Take over the session that broke off, and its subscription; False where the server has it no longer."""
        if earlier.key is None:
            return False
        self._client.adopt(earlier.key)
        try:
            await self._client.activate_session(username=self._options.user, password=password or None)
        except BadConnectionClosed:
            raise
        except UaStatusCodeError:
            self._client.drop_session()
            return False
        self._adopt(earlier)
        return True

    def _adopt(self, earlier: Subscription) -> None:
        earlier.go_on()
        self._silence = earlier.silence
        self.subscription = earlier

    async def _move(self, earlier: Subscription) -> bool:
        """Take over a subscription of a session that broke off; False where the server does not give it."""
        try:
            (result,) = await self._session.transfer_subscriptions(
                ua.TransferSubscriptionsParameters(SubscriptionIds=[earlier.id], SendInitialValues=False)
            )
        except UaStatusCodeError:
            return False
        if not result.StatusCode.is_good():
            return False
        self._adopt(earlier)
        return True

    async def close(self, *, keep: bool = False) -> None:
        """End the session, as far as the connection still allows it; raises nothing.

        With `keep` the server is told nothing, so that the next session can take the subscription over.
        """
        for request in self._asked:
            request.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        try:
            with border():
                async with asyncio.timeout(_FAREWELL):
                    if not keep:
                        await self._client.close_session()
                    await self._client.close_secure_channel()
        except Unavailable:
            pass
        finally:
            self._client.disconnect_socket()

    async def learn_namespaces(self) -> None:
        """Read which index each namespace has in this session."""
        with border():
            (found,) = await self._session.read_attributes(
                [_node_id(ObjectIds.Server_NamespaceArray)], AttributeIds.Value
            )
            uris = found.Value.Value if found.Value is not None else None
        self._namespaces = {OPC_UA: 0} | {uri: index for index, uri in enumerate(uris or [])}

    @property
    def services(self) -> UaSession:
        """Give asyncua's own session, for services that are asked for elsewhere, inside `border`."""
        return self._session

    @property
    def namespaces(self) -> Mapping[str, int]:
        """Give the index of each namespace in this session, by its URI."""
        return self._namespaces

    def node_ids(self, nodes: Iterable[NodeAddress]) -> list[ua.NodeId]:
        """Name nodes as this session does; one whose namespace is not there is named by no node."""
        return [
            _node_id(node.identifier, self._namespaces[node.uri]) if node.uri in self._namespaces else ua.NodeId()
            for node in nodes
        ]

    async def monitor(self, items: Sequence[Item]) -> list[Monitored]:
        """Ask for the values of nodes; one that the server does not have is refused and hinders no other."""
        known = [item for item in items if item.node.uri in self._namespaces]
        found: dict[int, Monitored] = {}
        for at in range(0, len(known), self._options.items_per_call):
            some = known[at : at + self._options.items_per_call]
            found |= await self._create(some, every_time=True)
            plain = [item for item in some if found[item.handle].code in _FILTER_REFUSED]
            if plain:
                found |= await self._create(plain, every_time=False)
        missing = Monitored(server_handle=0, code=StatusCodes.BadNodeIdUnknown, refusal="it has no such namespace")
        return [found.get(item.handle, missing) for item in items]

    async def _create(self, items: Sequence[Item], *, every_time: bool) -> dict[int, Monitored]:
        """Create monitored items; `every_time` asks for values that repeat too, as long as their time is new."""
        trigger = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp) if every_time else None
        requests = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(
                    NodeId=_node_id(item.node.identifier, self._namespaces[item.node.uri]),
                    AttributeId=AttributeIds.Value,
                ),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=item.handle,
                    SamplingInterval=self._options.sampling_interval,
                    Filter=trigger,
                    QueueSize=self._options.queue_size,
                    DiscardOldest=True,
                ),
            )
            for item in items
        ]
        with border():
            results = await self._session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self.subscription.id,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=requests,
                )
            )
        return {
            item.handle: Monitored(
                server_handle=result.MonitoredItemId,
                code=result.StatusCode.value,
                refusal="" if result.StatusCode.is_good() else f"it answers {result.StatusCode.name}",
            )
            for item, result in zip(items, results, strict=True)
        }

    async def forget(self, server_handles: Sequence[int]) -> None:
        """Ask no longer for the values of nodes."""
        for at in range(0, len(server_handles), self._options.items_per_call):
            with border():
                await self._session.delete_monitored_items(
                    ua.DeleteMonitoredItemsParameters(
                        SubscriptionId=self.subscription.id,
                        MonitoredItemIds=list(server_handles[at : at + self._options.items_per_call]),
                    )
                )

    async def answer(self) -> Answer:
        """Wait for the server's next answer: values, or a sign of life; raises SubscriptionLost when none comes.

        Requests for the answers after it are under way already, with the acknowledgements of all that is safe.
        """
        while True:
            while len(self._asked) < self._ahead:
                self._asked.append(asyncio.create_task(self._publish()))
            done, _ = await asyncio.wait((self._asked[0],), timeout=self._silence)
            if not done:
                mute = self.subscription.continued and not self.subscription.heard
                raise SubscriptionLost(f"the subscription was silent for {self._silence:.1f} s", for_good=mute)
            with border():
                try:
                    answer = self._asked.popleft().result()
                except BadTooManyPublishRequests:
                    self._ahead = max(1, self._ahead - 1)
                except BadTimeout:
                    continue
                except BadNoSubscription as error:
                    raise SubscriptionLost(str(error), for_good=True) from None
                else:
                    if not self.subscription.heard:
                        self.subscription.heard = True
                        self.subscription.still_there(answer.result.AvailableSequenceNumbers or ())
                    return answer

    async def _publish(self) -> Answer:
        response = await self._session.publish(self._acknowledgements())
        times = (response.Parameters.NotificationMessage.PublishTime, response.ResponseHeader.Timestamp)
        said = next((time for time in times if time is not None and time > ua.get_win_epoch()), None)
        return Answer(
            result=response.Parameters,
            published=Instant.now() if said is None else Instant.of(said),
            came=asyncio.get_running_loop().time(),
        )

    async def republished(self, sequence: int) -> ua.NotificationMessage | None:
        """Ask once more for an answer that did not arrive; None where the server has it no longer."""
        try:
            with border():
                message = await self._session.republish(self.subscription.id, sequence)
        except Unavailable:
            return None
        return message if message.NotificationData and message.SequenceNumber == sequence else None

    async def stay_alive(self) -> None:
        """Keep session and secure channel from timing out, until cancelled or the server does not answer."""
        state = [_node_id(ObjectIds.Server_ServerStatus_State)]
        while True:
            await asyncio.sleep(self._silence)
            with border():
                await self._session.read_attributes(state, AttributeIds.Value)
                if time.monotonic() - self._renewed > _RENEW_AT * self._client.secure_channel_timeout / 1000:
                    await self._client.open_secure_channel(renew=True)
                    self._client.uaclient.revolve_security_token()
                    self._renewed = time.monotonic()

    def _acknowledgements(self) -> list[ua.SubscriptionAcknowledgement]:
        own = self.subscription
        safe, own.safe = own.safe, []
        return [ua.SubscriptionAcknowledgement(SubscriptionId=own.id, SequenceNumber=number) for number in safe]


def _node_id(identifier: Identifier, index: int = 0) -> ua.NodeId:
    namespace = ua.Int16(index)
    match identifier:
        case int():
            return ua.NodeId(ua.Int32(identifier), namespace)
        case str():
            return ua.NodeId(ua.String(identifier), namespace)
        case bytes():
            return ua.NodeId(ua.ByteString(identifier), namespace)
        case uuid.UUID():
            return ua.NodeId(ua.Guid(int=identifier.int), namespace)


@contextmanager
def border() -> Iterator[None]:
    """Translate what asyncua and the network raise, which may be anything, into Unavailable."""
    try:
        yield
    except (Unavailable, InvalidSettings):
        raise
    except TimeoutError:
        raise Unavailable(f"no answer within {PATIENCE:.0f} s") from None
    except Exception as error:
        raise Unavailable(str(error) or type(error).__name__) from error
