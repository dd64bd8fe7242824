"""One connection to a broker, on the event loop: bytes in, messages out, answers back.

What a payload means and when a message is safe are not its business.
"""

import asyncio
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from typing import Final, Self, TypeVar

from connectors.mqtt.codec import Account, Codec, Welcome
from connectors.mqtt.config import Protocol
from connectors.mqtt.packet import PUBREL, Arrival, Cutter
from connectors.mqtt.role import Post
from fieldlab.errors import Unavailable

PATIENCE: Final = 10.0
"""Seconds for the socket, and again for the broker's CONNACK."""

_PUBACK: Final = 0x40
_PUBREC: Final = 0x50
_PUBCOMP: Final = 0x70
_PINGREQ: Final = b"\xc0\x00"
_ANSWER: Final = struct.Struct("!BBH")
_FAREWELL: Final = 1.0

T = TypeVar("T")


class Wire(asyncio.Protocol):
    """A connection that stands once `opened` returned it, until `lost` is done with the reason.

    `take` gets the messages of each read, in order.
    """

    def __init__(self, account: Account, take: Callable[["Wire", list[Arrival]], None]) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        self._accepted: asyncio.Future[Welcome] = loop.create_future()
        self._granted: asyncio.Future[dict[str, str]] = loop.create_future()
        self._take = take
        self._cutter = Cutter(properties=account.protocol is Protocol.V5)
        self._codec = Codec(
            account,
            send=self._send,
            accepted=self._welcome,
            refused=lambda reason: self._end(f"the broker refuses the gateway: {reason}"),
            granted=lambda refusals: _settle(self._granted, refusals),
            dismissed=lambda reason: self._end(f"the broker ended the connection: {reason}"),
        )
        self._keep_alive = account.keep_alive
        self._heard = time.monotonic()
        self._paused = False
        self._leaving = False
        self._transport: asyncio.Transport | None = None
        self._ping: asyncio.TimerHandle | None = None

    @classmethod
    async def opened(
        cls,
        account: Account,
        take: Callable[["Wire", list[Arrival]], None],
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> Self:
        """Connect and be accepted; raises Unavailable with the reason, or OSError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                _, wire = await loop.create_connection(lambda: cls(account, take), host, port, ssl=tls)
        except TimeoutError:
            raise Unavailable(f"no connection within {PATIENCE:.0f} s") from None
        await wire.introduced()
        return wire

    async def introduced(self) -> None:
        """Wait until the broker has accepted the gateway; raises Unavailable with the reason."""
        try:
            await asyncio.wait((self.lost, self._accepted), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.abort()
            raise
        if not self._accepted.done():
            self._end(f"the broker did not answer within {PATIENCE:.0f} s")
        if self.lost.done():
            raise Unavailable(self.lost.result())

    @property
    def welcome(self) -> Welcome:
        """Give what the broker said when it accepted the gateway."""
        return self._accepted.result()

    async def subscribe(self, filters: list[str]) -> dict[str, str]:
        """Ask for topics, with QoS 1; returns those that the broker refuses, with its reasons.

        The answer may come only after messages in flight are acknowledged. Raises Unavailable when the connection goes.
        """
        self._granted = asyncio.get_running_loop().create_future()
        self._codec.subscribe(filters)
        await asyncio.wait((self._granted, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if self.lost.done():
            raise Unavailable(self.lost.result())
        return self._granted.result()

    def unsubscribe(self, filters: list[str]) -> None:
        """Give up topics; the broker has done it when it answers what it is asked afterwards (MQTT 5.0, 4.6)."""
        self._codec.unsubscribe(filters)

    def publish(self, post: Post) -> None:
        """Publish a message; nothing where the connection is gone."""
        if not self.lost.done():
            self._codec.publish(post)

    def answer(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge messages in the order given; nothing where the connection is gone."""
        packets = ((_PUBACK if one.qos == 1 else _PUBREC, 2, one.packet) for one in arrivals if one.qos)
        self._send(b"".join(_ANSWER.pack(*packet) for packet in packets))

    def pause(self) -> None:
        """Stop reading, so that the broker must wait."""
        if not self._paused and self._transport is not None and not self.lost.done():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self.lost.done():
            self._paused = False
            self._heard = time.monotonic()
            self._transport.resume_reading()

    async def close(self) -> None:
        """Say goodbye and wait for the broker to hang up: then it has read every acknowledgement before."""
        if self._transport is not None and not self.lost.done():
            self._leaving = True
            self.resume()
            self._codec.leave()
            await asyncio.wait((self.lost,), timeout=_FAREWELL)
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._end("the connection was dropped")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the gateway to the broker."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._codec.introduce()
            self._stay_alive()

    def data_received(self, data: bytes) -> None:
        """Cut what was read into packets; what comes after the farewell is not taken, and comes again."""
        if self._leaving:
            return
        self._heard = time.monotonic()
        try:
            arrivals, others = self._cutter.cut(data)
            for packet in others:
                if packet[0] >> 4 == PUBREL:
                    self._send(_ANSWER.pack(_PUBCOMP, 2, int.from_bytes(packet[2:4], "big")))
                else:
                    self._codec.read(packet)
        except (ValueError, IndexError) as error:
            self._end(f"the broker sent a malformed packet: {error}")
        else:
            if arrivals:
                self._take(self, arrivals)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the socket is gone."""
        when = "" if self._accepted.done() else " before it answered"
        self._end(f"the broker closed the connection{when}" if exc is None else f"the connection broke{when}: {exc}")

    def _welcome(self, welcome: Welcome) -> None:
        self._keep_alive = welcome.keep_alive or self._keep_alive
        _settle(self._accepted, welcome)

    def _stay_alive(self) -> None:
        """Ping twice in each keep-alive interval (MQTT 5.0, 3.1.2.10); give up on a broker that stays silent."""
        quiet = time.monotonic() - self._heard
        if quiet > 1.5 * self._keep_alive and not self._paused:
            self._end(f"the broker was silent for {quiet:.0f} s")
            return
        if self._accepted.done():
            self._send(_PINGREQ)
        self._ping = asyncio.get_running_loop().call_later(self._keep_alive / 2, self._stay_alive)

    def _send(self, packets: bytes) -> None:
        if packets and self._transport is not None and not self._transport.is_closing():
            self._transport.write(packets)

    def _end(self, reason: str) -> None:
        if self._ping is not None:
            self._ping.cancel()
        _settle(self.lost, reason)
        self._accepted.cancel()
        self._granted.cancel()
        if self._transport is not None:
            self._transport.abort()


def _settle(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)
