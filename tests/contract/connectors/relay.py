"""A cable that a test can cut: a relay between a connector and its server."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator


class Relay:
    """Passes bytes both ways between its own `port` and a server."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.silent = False
        self._allowed: int | None = None
        self._server = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Break every connection at once, so that nothing more gets through either way."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_after(self, allowed: int) -> None:
        """Let so many bytes more through that the server sends, and then break every connection."""
        self._allowed = allowed

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            reader, writer = await asyncio.open_connection(*self._server)
            self._writers |= {answer, writer}
            await asyncio.gather(self._pass(client, writer), self._pass(reader, answer, counted=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data if self._allowed is None or not counted else data[: self._allowed])
                    await writer.drain()
                if counted and self._allowed is not None:
                    self._allowed -= len(data)
                    if self._allowed <= 0:
                        self._allowed = None
                        await asyncio.sleep(0)
                        for one in self._writers:
                            one.close()
        writer.transport.abort()

    async def end(self) -> None:
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def relay(host: str, port: int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """Run a relay to a server; with `tls` it speaks TLS on its own side."""
    cable = Relay(host, port)
    server = await asyncio.start_server(cable.serve, "127.0.0.1", 0, ssl=tls)
    cable.port = server.sockets[0].getsockname()[1]
    try:
        yield cable
    finally:
        server.close()
        await cable.end()
