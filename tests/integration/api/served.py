"""The query service of a lab on a real port, so that a connection can be slow, broken off and left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import uvicorn

from tests.integration.api.lab import Floor
from tests.servers.port import listening


class _Server(uvicorn.Server):
    """Leaves the signals to the tests."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def served(lab: Floor) -> AsyncIterator[str]:
    """Serve a lab's application; gives its address."""
    with listening() as listener:
        server = _Server(uvicorn.Config(lab.app, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
