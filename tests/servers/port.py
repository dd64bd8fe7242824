"""Ports for servers that are started later, perhaps by another process, and for those of this one."""

import random
import socket
from typing import Final

_BELOW_EPHEMERAL: Final = range(15_000, 32_000)
_order = random.SystemRandom().sample(_BELOW_EPHEMERAL, len(_BELOW_EPHEMERAL))


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on, never given twice by this process.

    It lies below the ephemeral ports (Linux: net.ipv4.ip_local_port_range starts at 32768), so that no connection made
    before the server listens can be given it, as happens with a port that `bind` to 0 has chosen.
    """
    while _order:
        port = _order.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("No port between 15000 and 32000 is left on the loopback.")


def listening() -> socket.socket:
    """A port of the loopback that a server of this process answers on.

    The socket says that it is TCP: only then does asyncio send each write at once (TCP_NODELAY). On one that
    `socket.create_server` made, every answer on a kept connection waits 40 ms for an acknowledgement.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.bind(("127.0.0.1", 0))
    made.listen()
    return made
