"""One session with a server: asyncua speaks the protocol; publish requests and acknowledgements are sent here.

asyncua's own publish loop acknowledges even what its callback failed on, and makes lost subscriptions anew in silence.
Here an answer is acknowledged when the caller says so, and every loss is told.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import (
    BadConnectionClosed,
    BadNoSubscription,
    BadTimeout,
    BadTooManyPublishRequests,
    UaStatusCodeError,
)

from connectors.opcua.address import OPC_UA, Address, NodeAddress, PathAddress
from connectors.opcua.border import PATIENCE, border, heed_cancellation
from connectors.opcua.client import ResumableClient, Unattended
from connectors.opcua.columns import instant
from connectors.opcua.config import OpcuaOptions
from connectors.opcua.credentials import Credentials, Login
from connectors.opcua.notification import Notification
from connectors.opcua.published import Published
from connectors.opcua.requests import Requests, node_id
from connectors.opcua.subscription import Subscription
from connectors.opcua.trust import MODES, POLICIES, certificate_of, compare
from connectors.opcua.value import NodeKey
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import Instant

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


class SubscriptionLost(Unavailable):
    """The connection stands, but the server answers for the subscription no longer, or has ended it: `for_good`."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the server said, when by its own clock, and when it came in by that of the event loop."""

    result: Published
    published: Instant
    came: float


class Session:
    """An open session with one subscription. Every method raises Unavailable when server or connection fail it."""

    subscription: Subscription

    def __init__(self, client: ResumableClient, options: OpcuaOptions) -> None:
        self._client = client
        self._session = client.services
        self._options = options
        self.requests = Requests(client.services)
        self._silence = PATIENCE
        self._ahead = _AHEAD
        self._asked: deque[asyncio.Task[Answer]] = deque()
        self._namespaces: Mapping[str, int] = {OPC_UA: 0}
        self._by_path: dict[PathAddress, ua.NodeId] = {}
        self._renewed = time.monotonic()

    @classmethod
    async def opened(
        cls,
        *,
        url: str,
        options: OpcuaOptions,
        credentials: Credentials | None,
        login: Login,
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
        opened = cls(client, options)
        try:
            try:
                with border():
                    await opened._open(credentials, login, earlier)
            finally:
                heed_cancellation()
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _open(self, credentials: Credentials | None, login: Login, earlier: Subscription | None) -> None:
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
        if earlier is None or not await self._resume(earlier, login):
            await self._client.create_session()
            await self._client.log_in(login)
            if earlier is None or not await self._move(earlier):
                await self._subscribe()
        await self.learn_namespaces()
        await self.requests.learn_limits()
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

    async def _resume(self, earlier: Subscription, login: Login) -> bool:
        """Take over the session that broke off, and its subscription; False where the server has it no longer."""
        if earlier.key is None:
            return False
        self._client.adopt(earlier.key)
        try:
            await self._client.log_in(login)
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
        (uris,) = await self.requests.read([_server(ObjectIds.Server_NamespaceArray)], AttributeIds.Value)
        known = enumerate(uris) if isinstance(uris, list) else ()
        self._namespaces = {OPC_UA: 0} | {uri: index for index, uri in known}

    @property
    def services(self) -> Unattended:
        """Give asyncua's own session, for services that are asked for elsewhere, inside `border`."""
        return self._session

    @property
    def namespaces(self) -> Mapping[str, int]:
        """Give the index of each namespace in this session, by its URI."""
        return self._namespaces

    def address_of(self, key: NodeKey) -> str:
        """Give the address of a node as this session writes it."""
        uris = (uri for uri, index in self._namespaces.items() if index == key.namespace)
        return str(NodeAddress(uri=next(uris, str(key.namespace)), identifier=key.identifier))

    async def find(self, addresses: Iterable[Address]) -> dict[Address, str]:
        """Find the nodes at the end of paths; tell of those that are not to be found why."""
        new = [one for one in addresses if isinstance(one, PathAddress) and one not in self._by_path]
        known = [one for one in new if all(step.uri in self._namespaces for step in one.steps)]
        objects = _server(ObjectIds.ObjectsFolder)
        found = await self.requests.translate(
            [(objects, tuple((self._namespaces[step.uri], step.name) for step in one.steps)) for one in known]
        )
        why: dict[Address, str] = dict.fromkeys(new, "it has no such namespace")
        for one, targets in zip(known, found, strict=True):
            if len(targets) == 1:
                self._by_path[one] = targets[0]
                del why[one]
            else:
                why[one] = f"{len(targets)} nodes have this path" if targets else "no node has this path"
        return why

    def lose(self, addresses: Iterable[Address]) -> None:
        """Look anew for nodes when they are asked for again."""
        for one in addresses:
            if isinstance(one, PathAddress):
                self._by_path.pop(one, None)

    def node_ids(self, nodes: Iterable[Address]) -> list[ua.NodeId]:
        """Name nodes as this session does; one that it does not have is named by no node."""
        return [self._node_id(node) for node in nodes]

    def _node_id(self, node: Address) -> ua.NodeId:
        if isinstance(node, PathAddress):
            return self._by_path.get(node, ua.NodeId())
        index = self._namespaces.get(node.uri)
        return ua.NodeId() if index is None else node_id(NodeKey(index, node.identifier))

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
                        self.subscription.still_there(answer.result.available)
                    return answer

    async def _publish(self) -> Answer:
        result = await self._session.published(self._acknowledgements())
        said = instant(result.message.published) or instant(result.sent) or Instant.now()
        return Answer(result=result, published=said, came=asyncio.get_running_loop().time())

    async def republished(self, sequence: int) -> Notification | None:
        """Ask once more for an answer that did not arrive; None where the server has it no longer."""
        try:
            with border():
                message = await self._session.republished(self.subscription.id, sequence)
        except Unavailable:
            return None
        return message if not message.empty and message.sequence == sequence else None

    async def stay_alive(self) -> None:
        """Keep session and secure channel from timing out, until cancelled or the server does not answer."""
        state = [_server(ObjectIds.Server_ServerStatus_State)]
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


def _server(number: int) -> ua.NodeId:
    return node_id(NodeKey(0, number))
