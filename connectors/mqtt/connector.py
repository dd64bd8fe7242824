"""The MQTT connector: connects for ever, hands over what arrives, and acknowledges it once it is safe."""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from connectors.backoff import Backoff
from connectors.mqtt.codec import Account
from connectors.mqtt.config import PORTS, MqttOptions, Protocol, client_id
from connectors.mqtt.decode import Batch, Message, decoder
from connectors.mqtt.inbox import Inbox, Waiting
from connectors.mqtt.payload import SparkplugPayload
from connectors.mqtt.role import Listener, Post, Role
from connectors.mqtt.sparkplug.role import HostRole
from connectors.mqtt.subscriptions import Subscriptions
from connectors.mqtt.wire import Wire
from connectors.options import address_of, checked
from connectors.secret import secret_of
from connectors.together import together
from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.ports import Deliver, Delivery
from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import SECOND, Instant

MOST_AT_ONCE: Final = 1_000
"""Messages in one delivery."""

_ASK_AGAIN: Final = 30.0
"""Seconds after which a subscription that the broker refused is asked for again."""

_log = logging.getLogger(__name__)


class MqttConnector:
    """One MQTT broker as a source. Every message is acknowledged in order of receipt, after it was called safe."""

    def __init__(
        self,
        source: Source,
        *,
        client_name: str,
        environment: Mapping[str, str],
        heard_until: Instant | None = None,
        directory: Path | None = None,
    ) -> None:
        """Without a `directory` it does not give up what its session was subscribed to before and is not any more."""
        options = checked(source, MqttOptions)
        url = address_of(source, PORTS)
        if url.path not in {"", "/"} or url.query or url.fragment:
            raise InvalidSettings(f"Source {source.slug}: url ends after the port; topics stand in options.topics.")
        if url.scheme != "mqtts" and (options.ca_file or options.cert_file):
            raise InvalidSettings(f"Source {source.slug}: options.ca_file and cert_file need a url that is mqtts://…")
        try:
            self._client_id = client_id(options, client_name=client_name, slug=source.slug)
        except ValueError as error:
            raise InvalidSettings(f"Source {source.slug}: options.client_id: {error}.") from None
        self._secret = secret_of(
            source, variable=options.password_env, file=options.password_file, environment=environment
        )
        self._slug = source.slug
        self._options = options
        self._encrypted = url.scheme == "mqtts"
        self._host = str(url.hostname)
        self._port = url.port or PORTS[url.scheme]
        self._server = f"{self._host}:{self._port}"
        self._role = self._role_in(options)
        self._topics = (*options.topics, *self._role.topics)
        self._subscriptions = Subscriptions(directory, server=self._server, client_id=self._client_id)
        self._wire: Wire | None = None
        self._heard_until = heard_until
        self._connected = False
        self._ungranted = dict.fromkeys(self._topics, "")

    @property
    def connected(self) -> bool:
        """Tell whether the broker has granted the subscription, on a connection that stands."""
        return self._connected

    def watch(self, addresses: Iterable[str]) -> None:
        """Do nothing: a broker sends every topic that `options.topics` covers, bound or not."""

    async def run(self, deliver: Deliver) -> None:
        """Hand over what arrives until cancelled; connections that fail are tried again for ever."""
        self._secret.read()
        inbox = Inbox(most=self._options.receive_maximum, heard=self._heard_until)
        await together(self._keep_connected(inbox, self._tls()), self._hand_over(inbox, deliver))

    async def _hand_over(self, inbox: Inbox, deliver: Deliver) -> None:
        role, over = self._role, None
        while True:
            messages, gaps = await self._taken(inbox)
            batch = Batch(gaps=gaps)
            for one in messages:
                if one.wire is not over:
                    role.renewed()
                    over = one.wire
                head, _, topic, payload, missing = one.arrival
                role.into(batch, Message(topic, payload, one.received_at, head & 1 != 0, missing))
            self._publish(role.after(batch, Instant.now()))
            if messages or not batch.empty:
                await deliver(
                    Delivery(
                        samples=batch.samples,
                        rejects=tuple(batch.rejects),
                        gaps=tuple(batch.gaps),
                        described=tuple(batch.described),
                        heard_until=messages[-1].received_at if messages else None,
                        safe=partial(inbox.release, messages),
                    )
                )

    async def _taken(self, inbox: Inbox) -> tuple[list[Waiting], list[Gap]]:
        """Wait for messages or gaps, or until the role is due."""
        due = self._role.due
        if due is None:
            return await inbox.take(MOST_AT_ONCE)
        try:
            async with asyncio.timeout(max(0.0, (due - Instant.now()) / SECOND)):
                return await inbox.take(MOST_AT_ONCE)
        except TimeoutError:
            return [], []

    def _publish(self, posts: list[Post]) -> None:
        if self._wire is not None:
            for post in posts:
                self._wire.publish(post)

    async def _keep_connected(self, inbox: Inbox, tls: ssl.SSLContext | None) -> None:
        backoff = Backoff()
        told = ""
        while True:
            try:
                wire = await Wire.opened(self._account(), inbox.put, host=self._host, port=self._port, tls=tls)
                opened = time.monotonic()
                try:
                    await self._attend(wire, inbox)
                finally:
                    self._connected = False
                    self._publish(self._role.leaving(Instant.now()))
                    self._wire = None
                    told = "" if backoff.stood(time.monotonic() - opened) else told
                    await wire.close()
            except (OSError, Unavailable, InvalidSettings) as error:  # a password file may be away for a moment
                reason = _explained(str(error), self._options.protocol)
            if reason != told:
                _log.warning("Source %s: %s: %s; trying again.", self._slug, self._server, reason)
                told = reason
            await asyncio.sleep(backoff.pause())

    async def _attend(self, wire: Wire, inbox: Inbox) -> None:
        """Subscribe, and stay until the connection is lost, which is an Unavailable with the reason."""
        welcome = wire.welcome
        self._wire = wire
        _log.info("Source %s: connected to %s as %s.", self._slug, self._server, self._client_id)
        if welcome.session_expiry < self._options.session_expiry and not self._role.forgets:
            _log.warning(
                "Source %s: %s keeps the messages of an absent gateway for %s s, less than asked for.",
                self._slug,
                self._server,
                welcome.session_expiry,
            )
        if not welcome.session_present:
            inbox.forget_session()
            self._ungranted = dict.fromkeys(self._topics, "")
        elif left_out := [one for one in self._subscriptions.read() if one not in self._topics]:
            wire.unsubscribe(left_out)
        if self._ungranted:
            await self._subscribe(wire)
        self._publish(self._role.joined(Instant.now()))
        while True:
            self._connected = len(self._ungranted) < len(self._topics)
            inbox.resumed(Instant.now())
            await asyncio.wait((wire.lost,), timeout=_ASK_AGAIN if self._ungranted else None)
            if wire.lost.done():
                raise Unavailable(wire.lost.result())
            await self._subscribe(wire)

    async def _subscribe(self, wire: Wire) -> None:
        """Ask for the topics that the session does not have yet."""
        refusals = await wire.subscribe(list(self._ungranted))
        for topic, reason in refusals.items():
            if reason != self._ungranted[topic]:
                again = f"it is asked again every {_ASK_AGAIN:.0f} s"
                _log.error("Source %s: %s refuses %s: %s; %s.", self._slug, self._server, topic, reason, again)
        self._ungranted = refusals
        self._subscriptions.keep(one for one in self._topics if one not in refusals)

    def _account(self) -> Account:
        options = self._options
        return Account(
            protocol=options.protocol,
            client_id=self._client_id,
            user=options.user,
            password=self._secret.read(),
            keep_alive=options.keep_alive,
            session_expiry=options.session_expiry,
            receive_maximum=options.receive_maximum,
            clean=self._role.forgets,
            will=self._role.will(Instant.now()),
        )

    def _role_in(self, options: MqttOptions) -> Role:
        """Choose what the gateway is to the broker, by the format of the messages."""
        match options.payload:
            case SparkplugPayload() as payload:
                return HostRole(payload, host_id=payload.host_id or self._client_id)
            case payload:
                return Listener(decoder(payload))

    def _tls(self) -> ssl.SSLContext | None:
        """Read the certificates; raises InvalidSettings that names the one that cannot be used."""
        if not self._encrypted:
            return None
        ca, certificate, key = self._options.ca_file, self._options.cert_file, self._options.key_file
        try:
            context = ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise InvalidSettings(f"Source {self._slug}: options.ca_file {ca} cannot be used: {error}.") from None
        if certificate is not None:
            try:
                context.load_cert_chain(certificate, key)
            except OSError as error:
                raise InvalidSettings(
                    f"Source {self._slug}: options.cert_file {certificate} with options.key_file {key} "
                    f"cannot be used: {error}."
                ) from None
        return context


def _explained(reason: str, protocol: Protocol) -> str:
    """Add what to do, where the broker's words alone do not tell."""
    text = reason.lower()
    if "taken over" in text:
        return f"{reason}: another client uses the same client id; give each gateway a name of its own"
    if protocol is Protocol.V5 and ("protocol version" in text or "before it answered" in text):
        return f"{reason} (where it speaks no MQTT 5, set options.protocol to 3.1.1)"
    return reason
