"""One session with a server: asyncua speaks the protocol; publish requests and acknowledgements are sent here.

asyncua's own publish loop acknowledges even what its callback failed on, and makes lost subscriptions anew in silence.
Here an answer is acknowledged when the caller says so, and every loss is told.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts
from asyncua.crypto import security_policies
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import BadNoSubscription, BadTimeout, BadTooManyPublishRequests

from connectors.opcua.address import OPC_UA, Identifier, NodeAddress
from connectors.opcua.config import Mode, OpcuaOptions, Security
from fieldlab.errors import Unavailable

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

_POLICIES: Final[dict[Security, Any]] = {
    Security.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Security.AES128_SHA256_RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    Security.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES: Final = {Mode.SIGN: ua.MessageSecurityMode.Sign, Mode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt}
_FILTER_REFUSED: Final = {
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
}


class SubscriptionLost(Unavailable):
    """The connection stands, but the server has ended the subscription or answers for it no longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A node to be monitored, under a handle that comes back with each of its values."""

    handle: int
    node: NodeAddress


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitored:
    """What the server said to an item: the handle to delete it with, or the status code and why it refused."""

    server_handle: int
    code: int
    refusal: str


class Session:
    """An open session with one subscription. Every method raises Unavailable when server or connection fail it."""

    def __init__(self, client: Client, session: UaSession, options: OpcuaOptions) -> None:
        self._client = client
        self._session = session
        self._options = options
        self._subscription = 0
        self._silence = PATIENCE
        self._ahead = _AHEAD
        self._asked: deque[asyncio.Task[ua.PublishResponse]] = deque()
        self._safe: list[int] = []
        self._namespaces: Mapping[str, int] = {OPC_UA: 0}
        self._renewed = time.monotonic()

    @classmethod
    async def opened(cls, *, url: str, options: OpcuaOptions, password: str | None, name: str) -> Self:
        """Connect, open a secure channel and a session, and create the subscription."""
        client = Client(url, timeout=PATIENCE)
        client.application_uri = options.application_uri
        client.name = client.description = name
        session = client.uaclient.session = _Unattended(client.uaclient)
        client.nodes = Shortcuts(session)
        opened = cls(client, session, options)
        try:
            with _border():
                await opened._open(password)
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _open(self, password: str | None) -> None:
        options = self._options
        if options.security is not Security.NONE:
            await self._client.set_security(
                _POLICIES[options.security],
                certificate=str(options.certificate_file),
                private_key=str(options.key_file),
                server_certificate=str(options.server_certificate_file),
                mode=_MODES[options.mode],
            )
        await self._client.connect_socket()
        await self._client.send_hello()
        try:
            await self._client.open_secure_channel()
        except (TimeoutError, OSError):
            if options.security is Security.NONE:
                raise
            raise Unavailable(
                f"no secure channel with {options.security}: is options.server_certificate_file the server's own, does "
                "it offer this policy, and does it trust options.certificate_file?"
            ) from None
        await self._client.create_session()
        await self._client.activate_session(username=options.user, password=password or None)
        await self.learn_namespaces()
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
        self._subscription = created.SubscriptionId
        self._silence = _MISSED * created.RevisedPublishingInterval * created.RevisedMaxKeepAliveCount / 1000 + 1.0

    async def close(self) -> None:
        """End the session, as far as the connection still allows it; raises nothing."""
        for request in self._asked:
            request.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        try:
            with _border():
                async with asyncio.timeout(_FAREWELL):
                    await self._client.close_session()
                    await self._client.close_secure_channel()
        except Unavailable:
            pass
        finally:
            self._client.disconnect_socket()

    async def learn_namespaces(self) -> None:
        """Read which index each namespace has in this session."""
        with _border():
            (found,) = await self._session.read_attributes(
                [_node_id(ObjectIds.Server_NamespaceArray)], AttributeIds.Value
            )
            uris = found.Value.Value if found.Value is not None else None
        self._namespaces = {OPC_UA: 0} | {uri: index for index, uri in enumerate(uris or [])}

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
        with _border():
            results = await self._session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._subscription,
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
            with _border():
                await self._session.delete_monitored_items(
                    ua.DeleteMonitoredItemsParameters(
                        SubscriptionId=self._subscription,
                        MonitoredItemIds=list(server_handles[at : at + self._options.items_per_call]),
                    )
                )

    async def answer(self) -> ua.PublishResult:
        """Wait for the server's next answer: values, or a sign of life; raises SubscriptionLost when none comes.

        Requests for the answers after it are under way already, with the acknowledgements of all that is safe.
        """
        while True:
            while len(self._asked) < self._ahead:
                self._asked.append(asyncio.create_task(self._session.publish(self._acknowledgements())))
            done, _ = await asyncio.wait((self._asked[0],), timeout=self._silence)
            if not done:
                raise SubscriptionLost(f"the subscription was silent for {self._silence:.1f} s")
            with _border():
                try:
                    response = self._asked.popleft().result()
                except BadTooManyPublishRequests:
                    self._ahead = max(1, self._ahead - 1)
                except BadTimeout:
                    continue
                except BadNoSubscription as error:
                    raise SubscriptionLost(str(error)) from None
                else:
                    result: ua.PublishResult = response.Parameters
                    return result

    def acknowledge(self, sequence: int) -> None:
        """Let the server forget an answer: it goes out with the next request."""
        self._safe.append(sequence)

    async def republished(self, sequence: int) -> ua.NotificationMessage | None:
        """Ask once more for an answer that did not arrive; None where the server has it no longer."""
        try:
            with _border():
                message = await self._session.republish(self._subscription, sequence)
        except Unavailable:
            return None
        return message if message.NotificationData and message.SequenceNumber == sequence else None

    async def stay_alive(self) -> None:
        """Keep session and secure channel from timing out, until cancelled or the server does not answer."""
        state = [_node_id(ObjectIds.Server_ServerStatus_State)]
        while True:
            await asyncio.sleep(self._silence)
            with _border():
                await self._session.read_attributes(state, AttributeIds.Value)
                if time.monotonic() - self._renewed > _RENEW_AT * self._client.secure_channel_timeout / 1000:
                    await self._client.open_secure_channel(renew=True)
                    self._client.uaclient.revolve_security_token()
                    self._renewed = time.monotonic()

    def _acknowledgements(self) -> list[ua.SubscriptionAcknowledgement]:
        safe, self._safe = self._safe, []
        return [
            ua.SubscriptionAcknowledgement(SubscriptionId=self._subscription, SequenceNumber=number) for number in safe
        ]


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


class _Unattended(UaSession):
    """asyncua's session without its publish loop."""

    def ensure_publish_loop(self) -> None:
        """Do nothing: the session above asks for itself."""


@contextmanager
def _border() -> Iterator[None]:
    """Translate what asyncua and the network raise, which may be anything, into Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except TimeoutError:
        raise Unavailable(f"no answer within {PATIENCE:.0f} s") from None
    except Exception as error:
        raise Unavailable(str(error) or type(error).__name__) from error
