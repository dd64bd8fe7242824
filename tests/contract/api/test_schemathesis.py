"""The OpenAPI document keeps its word: schemathesis asks what it allows, and what it does not, with all checks on.

Live answers do not end by themselves: here each ends behind its first event. `test_live.py` follows them further.
"""

import asyncio
import sys
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.integration.api.lab import busy_morning, floor
from tests.integration.api.listening import served
from tests.servers.database import Database
from tests.servers.engine import EngineName

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
TOOL = Path(sys.executable).with_name("st")
LIVE = "/v1/live"


class FirstEvent:
    """Ends a live answer behind its first event, as if its reader had gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != LIVE:
            await self._app(scope, receive, send)
            return
        gone = asyncio.Event()

        async def receiving() -> Message:
            coming, leaving = asyncio.create_task(_message(receive)), asyncio.create_task(gone.wait())
            await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if coming.done():
                return coming.result()
            coming.cancel()
            return {"type": "http.disconnect"}

        async def sending(message: Message) -> None:
            if gone.is_set():
                return
            ends = message["type"] == "http.response.body" and bool(message.get("body"))
            await send({**message, "more_body": False} if ends else message)
            if ends:
                gone.set()

        await self._app(scope, receiving, sending)


async def _message(receive: Receive) -> Message:
    return await receive()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True, ids=str)
async def test_the_service_does_what_its_document_says(database: Database, tmp_path: Path) -> None:
    async with floor(database) as lab:
        await busy_morning(lab)
        async with served(lab, through=FirstEvent) as answering:
            process = await asyncio.create_subprocess_exec(
                str(TOOL),
                *("--config-file", str(CONFIGURATION), "run", f"{answering.url}/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {lab.tokens['lab']}", "--checks", "all"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "1", "--seed", "1"),
                *("--continue-on-failure", "--no-color"),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            told, _ = await process.communicate()
    assert process.returncode == 0, told.decode(errors="replace")[-20_000:]
