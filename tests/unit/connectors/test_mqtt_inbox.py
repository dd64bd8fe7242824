"""What waits is bounded, acknowledged in order over the connection it came from, and taken once."""

import asyncio
import struct
from itertools import pairwise

import pytest

from connectors.mqtt.codec import Account
from connectors.mqtt.config import Protocol
from connectors.mqtt.inbox import MOST_BYTES, Inbox, Waiting
from connectors.mqtt.wire import Wire
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant

BEFORE = Instant.parse("2026-11-21T07:00:00Z")
ACCOUNT = Account(
    protocol=Protocol.V311,
    client_id="gateway",
    user=None,
    password=None,
    keep_alive=30,
    session_expiry=60,
    receive_maximum=3,
)


class Socket(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = True
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True


def connected(inbox: Inbox) -> tuple[Wire, Socket]:
    """Open a connection that has introduced itself and been accepted."""
    wire, socket = Wire(ACCOUNT, inbox.put), Socket()
    wire.connection_made(socket)
    wire.data_received(b"\x20\x02\x01\x00")
    socket.written.clear()
    return wire, socket


def message(packet: int, payload: bytes = b"{}", *, qos: int = 1, again: bool = False) -> bytes:
    body = struct.pack("!H", 1) + b"t" + (struct.pack("!H", packet) if qos else b"") + payload
    assert len(body) < 128
    return bytes([0x30 | qos << 1 | (8 if again else 0), len(body)]) + body


async def taken(inbox: Inbox) -> list[Waiting]:
    messages, _ = await inbox.take(1_000)
    return messages


def answers(socket: Socket) -> list[tuple[int, int]]:
    whole = b"".join(socket.written)
    return [(kind, packet) for kind, _, packet in struct.iter_unpack("!BBH", whole)]


@pytest.fixture
async def inbox() -> Inbox:
    return Inbox(most=3, heard=BEFORE)


async def test_messages_are_acknowledged_in_order_in_one_write_and_only_when_safe(inbox: Inbox) -> None:
    wire, socket = connected(inbox)
    wire.data_received(message(1) + message(2) + message(0, qos=0) + message(3))
    messages = await taken(inbox)
    assert socket.written == []
    inbox.release(messages)
    assert answers(socket) == [(0x40, 1), (0x40, 2), (0x40, 3)]
    assert len(socket.written) == 1


async def test_beyond_the_bound_nothing_is_read_until_there_is_room(inbox: Inbox) -> None:
    wire, socket = connected(inbox)
    wire.data_received(b"".join(message(0, qos=0) for _ in range(3)))
    assert socket.reading
    wire.data_received(message(0, qos=0) + message(0, qos=0))
    assert not socket.reading
    messages = await taken(inbox)
    assert not socket.reading, "what was handed over is not safe yet"
    inbox.release(messages[:1])
    assert not socket.reading
    inbox.release(messages[1:])
    assert socket.reading


async def test_large_messages_are_bounded_by_their_bytes() -> None:
    inbox = Inbox(most=1_000_000, heard=None)
    wire, socket = connected(inbox)
    size = 1_000_000
    large = bytes([0x30]) + bytes([0x80 | (size + 3) % 128, 0x80 | (size + 3) // 128 % 128, (size + 3) // 16_384])
    for _ in range(MOST_BYTES // size):
        wire.data_received(large + b"\x00\x01t" + bytes(size))
    assert socket.reading
    wire.data_received(large + b"\x00\x01t" + bytes(size))
    assert not socket.reading
    inbox.release(await taken(inbox))
    assert socket.reading


async def test_every_message_has_a_receipt_time_of_its_own(inbox: Inbox) -> None:
    wire, _ = connected(inbox)
    for _ in range(20):
        wire.data_received(b"".join(message(0, qos=0) for _ in range(50)))
    times = [one.received_at for one in await taken(inbox)]
    assert all(earlier < later for earlier, later in pairwise(times))


async def test_a_message_that_comes_again_is_taken_once_and_answered_where_it_came_last(inbox: Inbox) -> None:
    wire, _ = connected(inbox)
    wire.data_received(message(1, b"a") + message(2, b"b"))
    first, second = await taken(inbox)
    wire.connection_lost(None)
    inbox.release([first])
    later, socket = connected(inbox)
    later.data_received(message(1, b"a", again=True) + message(2, b"b", again=True) + message(3, b"c"))
    assert answers(socket) == [(0x40, 1)], "the first was safe already"
    (third,) = await taken(inbox)
    inbox.release([second, third])
    assert answers(socket) == [(0x40, 1), (0x40, 2), (0x40, 3)]


async def test_another_message_under_the_same_number_is_taken(inbox: Inbox) -> None:
    wire, _ = connected(inbox)
    wire.data_received(message(1, b"a") + message(2, b"b"))
    await taken(inbox)
    wire.connection_lost(None)
    later, _ = connected(inbox)
    later.data_received(message(1, b"x", again=True) + message(2, b"b"))
    assert [one.arrival.payload for one in await taken(inbox)] == [b"x", b"b"]


async def test_nothing_is_known_again_once_the_broker_has_forgotten_the_session_which_is_a_gap(inbox: Inbox) -> None:
    wire, _ = connected(inbox)
    wire.data_received(message(1, b"a"))
    (first,) = await taken(inbox)
    wire.connection_lost(None)
    inbox.forget_session()
    inbox.forget_session()
    now = Instant.now()
    inbox.resumed(now)
    inbox.resumed(now)
    later, _ = connected(inbox)
    later.data_received(message(1, b"a", again=True))
    messages, gaps = await inbox.take(10)
    assert gaps == [Gap(start=first.received_at, until=now, cause=Cause.SESSION_LOST)]
    assert [one.arrival.payload for one in messages] == [b"a"]


async def test_a_message_of_quality_2_left_from_another_client_is_finished_properly(inbox: Inbox) -> None:
    wire, socket = connected(inbox)
    wire.data_received(message(7, qos=2))
    inbox.release(await taken(inbox))
    wire.data_received(b"\x62\x02\x00\x07")
    assert answers(socket) == [(0x50, 7), (0x70, 7)]


async def test_what_comes_after_the_farewell_is_left_to_the_broker(inbox: Inbox) -> None:
    wire, socket = connected(inbox)
    closing = asyncio.create_task(wire.close())
    await asyncio.sleep(0)
    assert socket.written == [b"\xe0\x00"]
    wire.data_received(message(1) + b"\xd0\x00")
    assert not closing.done()
    wire.connection_lost(None)
    await closing
    inbox.forget_session()
    inbox.resumed(Instant.now())
    assert await taken(inbox) == []
