"""The OpenAPI document keeps its word: schemathesis asks what it allows, and what it does not, with all checks on.

Live answers do not end by themselves, so they are left out here; `test_live.py` follows them.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.integration.api.lab import busy_morning, floor
from tests.integration.api.listening import served
from tests.servers.database import Database
from tests.servers.engine import EngineName

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
TOOL = Path(sys.executable).with_name("st")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True, ids=str)
async def test_the_service_does_what_its_document_says(database: Database, tmp_path: Path) -> None:
    async with floor(database) as lab:
        await busy_morning(lab)
        async with served(lab) as answering:
            process = await asyncio.create_subprocess_exec(
                str(TOOL),
                *("--config-file", str(CONFIGURATION), "run", f"{answering.url}/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {lab.tokens['lab']}", "--checks", "all", "--workers", "2"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "1", "--seed", "1"),
                *("--exclude-path", "/v1/live", "--continue-on-failure", "--no-color"),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            told, _ = await process.communicate()
    assert process.returncode == 0, told.decode(errors="replace")[-20_000:]
