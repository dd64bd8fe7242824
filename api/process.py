"""The process: the query service on one port, until it is told to stop."""

import asyncio
import errno
import logging
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.routes.sources import OptionsOf
from fieldlab.errors import InvalidSettings
from fieldlab.settings import ApiSettings

_log: Final = logging.getLogger("fieldlab.api")

_BACKLOG: Final = 1024
_LARGEST_MESSAGE: Final = 1 << 12
"""Bytes of a message that somebody sends over a WebSocket, at most; nobody reads it."""

_FILES: Final = 512
"""Files that are open beside the connections of those who follow data."""

_PATIENCE: Final = 10
"""Seconds that answers under way are given to end."""


def run(
    settings: ApiSettings, *, options_of: OptionsOf | None = None, tell: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; `tell` gets the address when the first request can come.

    Raises InvalidSettings if the address cannot be had, ExcessRights and Unavailable as starting the application does.
    """
    _make_room(settings.api_live_readers)
    with _listening(settings.api_host, settings.api_port) as listener:
        asyncio.run(_serve(create_app(settings, options_of=options_of), listener, tell or _log.info))


async def _serve(app: FastAPI, listener: socket.socket, tell: Callable[[str], None]) -> None:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",  # its line for a WebSocket has the whole question in it; the edge's has not
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
        ws="wsproto",
        ws_max_size=_LARGEST_MESSAGE,
        ws_per_message_deflate=False,
    )
    async with app.router.lifespan_context(app):
        host, port = listener.getsockname()[:2]
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await _Server(config, app).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends by returning, so that what was opened is closed again; a second Ctrl-C does not wait for answers.

    Whoever follows data is told that it stops, and where to go on.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End live answers, then as every server does."""
        self._app.state.desk.hub.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let whoever follows data hear why it ends, before connections are closed under them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._app.state.desk.hub.emptied()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def _make_room(readers: int) -> None:
    """Let this process open a file for each reader, as far as it may: many systems give 1,024 unless asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = readers + _FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        _log.warning(
            "this process may open %d files, and needs %d to follow data for all; see ulimit -n", given, wanted
        )


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)  # without protocol, asyncio leaves Nagle's algorithm on
    except OSError as error:
        raise InvalidSettings(f"{host!r} is no address of this machine: {error.strerror}; see --host.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InvalidSettings(
                f"Port {port} on {host} is in use; choose another with --port or FIELDLAB_API_PORT."
            ) from None
        raise InvalidSettings(
            f"Cannot listen on {host} port {port}: {error.strerror}; see --host and --port, "
            "or FIELDLAB_API_HOST and FIELDLAB_API_PORT."
        ) from None
    return listener
