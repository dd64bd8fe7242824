"""What the gateway and the broker say to each other apart from messages: paho's packets without paho's sockets.

paho writes into and reads from a stand-in for its socket, so the event loop alone owns the connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, error_string
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt.config import Protocol
from connectors.mqtt.role import Post

QOS: Final = 1
"""Never 2: an unacknowledged message of QoS 2 that a killed gateway held does not come again."""

_PAHO: Final = {Protocol.V5: MQTTProtocolVersion.MQTTv5, Protocol.V311: MQTTProtocolVersion.MQTTv311}
_ANYWHERE: Final = "broker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who the gateway is to the broker, and how the session shall be kept; `clean` begins a new one, never kept."""

    protocol: Protocol
    client_id: str
    user: str | None
    password: str | None
    keep_alive: int
    session_expiry: int
    receive_maximum: int
    clean: bool = False
    will: Post | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Welcome:
    """The broker's answer to CONNECT; seconds are what it grants, which may be less than what was asked for."""

    session_present: bool
    keep_alive: int
    session_expiry: int


class Codec:
    """One conversation. What it wants sent goes to `send`; what the broker answered goes to the three attributes.

    `accepted(welcome)` or `refused(reason)` follows the introduction, `granted(refusals)` a subscription, with the
    filters that the broker refused and its reasons; `dismissed(reason)` is the broker's farewell.
    """

    def __init__(
        self,
        account: Account,
        *,
        send: Callable[[bytes], None],
        accepted: Callable[[Welcome], None],
        refused: Callable[[str], None],
        granted: Callable[[dict[str, str]], None],
        dismissed: Callable[[str], None],
    ) -> None:
        self._account = account
        self._v5 = account.protocol is Protocol.V5
        self._pipe = _Pipe(send)
        self._accepted, self._refused, self._granted, self._dismissed = accepted, refused, granted, dismissed
        self._filters: list[str] = []
        self._client = _Client(
            self._pipe,
            client_id=account.client_id,
            protocol=_PAHO[account.protocol],
            clean_session=None if self._v5 else account.clean,
        )
        if account.will is not None:
            will = account.will
            self._client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
        self._client.username_pw_set(account.user, account.password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect

    def introduce(self) -> None:
        """Send CONNECT."""
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if self._account.clean else self._account.session_expiry
            properties.ReceiveMaximum = self._account.receive_maximum
            self._client.connect(
                _ANYWHERE, keepalive=self._account.keep_alive, clean_start=self._account.clean, properties=properties
            )
        else:
            self._client.connect(_ANYWHERE, keepalive=self._account.keep_alive)

    def subscribe(self, filters: list[str]) -> None:
        """Send SUBSCRIBE; what the broker has kept comes with a new subscription only, where MQTT 5 can say so."""
        self._filters = filters
        if self._v5:
            options = SubscribeOptions(qos=QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            self._client.subscribe([(text, options) for text in filters])
        else:
            self._client.subscribe([(text, QOS) for text in filters])

    def unsubscribe(self, filters: list[str]) -> None:
        """Send UNSUBSCRIBE."""
        self._client.unsubscribe(filters)

    def publish(self, post: Post) -> None:
        """Send PUBLISH."""
        self._client.publish(post.topic, post.payload, qos=post.qos, retain=post.retain)

    def leave(self) -> None:
        """Send DISCONNECT."""
        self._client.disconnect()

    def read(self, packet: bytes) -> None:
        """Take one whole packet from the broker; raises ValueError for one that makes no sense."""
        self._pipe.arrived = packet
        fault = self._client.loop_read()
        if fault:
            raise ValueError(error_string(fault))

    def _on_connect(
        self, client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused(str(reason))
            return
        expiry = getattr(properties, "SessionExpiryInterval", self._account.session_expiry)
        self._accepted(
            Welcome(session_present=flags.session_present, keep_alive=client.keepalive, session_expiry=expiry)
        )

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        answers = zip(self._filters, reasons, strict=False)
        self._granted({text: str(reason) for text, reason in answers if reason.is_failure})

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._dismissed(str(reason))


class _Pipe:
    """What paho takes for a socket."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.arrived = b""
        self._send = send

    def recv(self, buffer_size: int) -> bytes:
        """Give bytes of the packet that arrived."""
        if not self.arrived:
            raise BlockingIOError
        given, self.arrived = self.arrived[:buffer_size], self.arrived[buffer_size:]
        return given

    def send(self, buffer: bytes | bytearray) -> int:
        """Send all of it."""
        self._send(bytes(buffer))
        return len(buffer)

    def close(self) -> None:
        """Leave the connection to its owner."""

    def fileno(self) -> int:
        """Tell that there is no file."""
        return -1

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001
        """Ignore it: nothing here ever blocks."""


class _Client(Client):
    """paho with a stand-in for its socket."""

    def __init__(
        self, pipe: _Pipe, *, client_id: str, protocol: MQTTProtocolVersion, clean_session: bool | None
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self._pipe = pipe

    def _create_socket(self) -> _Pipe:
        return self._pipe
