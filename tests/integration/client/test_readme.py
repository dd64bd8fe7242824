"""The client's page is a notebook: its cells run from the top, against a real lab."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fieldlab.readings.instant import SECOND, Instant
from tests.architecture.checkout import ROOT
from tests.docs.blocks import blocks
from tests.integration.api.lab import CURRENT, EIGHT, Row
from tests.integration.api.listening import arrive
from tests.integration.client.conftest import Notebooks
from tests.integration.client.test_lists import lose

PAGE = ROOT / "client" / "README.md"
CELLS = [block for block in blocks("python") if block.document == PAGE]


async def test_every_cell_runs(
    notebooks: Notebooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(CELLS) >= 20
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API", notebooks.url)
    monkeypatch.setenv("TOKEN", notebooks.floor.tokens["sme-a"])
    lose(notebooks.floor, CURRENT)
    arriving = asyncio.create_task(keep_arriving(notebooks))
    try:
        said: dict[str, Any] = {}
        for cell in CELLS:
            await asyncio.to_thread(exec, compile(cell.text, str(cell), "exec"), said)
        said["lab"].close()
    finally:
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
    told = capsys.readouterr().out
    assert f"{CURRENT} A Spindle drive" in told
    assert "404 /problems/not-found" in told
    assert "session_lost sme-a" in told
    assert said["offer"].state == "withdrawn"
    assert (tmp_path / "tool-wear.zip").exists()


async def keep_arriving(notebooks: Notebooks) -> None:
    """Samples of sme-a's hour that come late, one after the other."""
    number = 0
    while True:
        number += 1
        late = Row(time=Instant(EIGHT + 5 * SECOND + number), value=float(number))
        await arrive(notebooks.floor, CURRENT, [late])
        await asyncio.sleep(0.2)
