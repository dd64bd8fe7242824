"""A publisher that is never what a figure waits for: packets made beforehand, written as fast as the broker reads."""

import socket
import struct
import threading
from collections.abc import Iterable
from typing import Final

_CONNECT: Final = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x05blast"
"""MQTT 3.1.1, a clean session, no keep-alive, and a client id."""

_CONNACK_SIZE: Final = 4
_PUBACK_SIZE: Final = 4
_LAST_PACKET: Final = 65_535
_PATIENCE: Final = 60.0


def blast(host: str, port: int, messages: Iterable[tuple[str, bytes]]) -> None:
    """Publish messages with QoS 1, and return when the broker has acknowledged all of them (MQTT 3.1.1, 3.4)."""
    packets = [_packet(at % _LAST_PACKET + 1, *message) for at, message in enumerate(messages)]
    with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
        connection.sendall(b"\x10" + bytes([len(_CONNECT)]) + _CONNECT)
        _read(connection, _CONNACK_SIZE)
        reading = threading.Thread(target=_read, args=(connection, _PUBACK_SIZE * len(packets)))
        reading.start()
        connection.sendall(b"".join(packets))
        reading.join()
        connection.sendall(b"\xe0\x00")


def _packet(number: int, topic: str, payload: bytes) -> bytes:
    """Make a PUBLISH with QoS 1 (MQTT 3.1.1, 3.3)."""
    name = topic.encode()
    length = 2 + len(name) + 2 + len(payload)
    encoded = bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            break
    return b"\x32" + bytes(encoded) + struct.pack("!H", len(name)) + name + struct.pack("!H", number) + payload


def _read(connection: socket.socket, size: int) -> None:
    """Read so many bytes; they are answers, and each is as long as the others."""
    left = size
    while left:
        read = connection.recv(min(left, 65_536))
        if not read:
            raise RuntimeError("the broker closed the connection before it had acknowledged every message")
        left -= len(read)
