"""A real lab over HTTP, and clients of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fieldlab_client import Lab
from tests.integration.api.lab import Floor, busy_morning, floor
from tests.integration.api.listening import Served, served
from tests.servers.database import Database


@pytest.fixture
async def answering(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    """The mill went from sme-a to sme-b at nine; the query service listens on a port."""
    async with floor(database, api_exports_directory=tmp_path / "exports") as lab:
        await busy_morning(lab)
        async with served(lab) as running:
            yield running


class Notebooks:
    """Clients of one lab, for each participant one."""

    def __init__(self, answering: Served) -> None:
        self._answering = answering
        self._open: dict[str, Lab] = {}

    @property
    def floor(self) -> Floor:
        return self._answering.lab

    @property
    def url(self) -> str:
        return self._answering.url

    def __getitem__(self, who: str) -> Lab:
        if who not in self._open:
            self._open[who] = Lab(self._answering.url, self.floor.tokens[who], progress=False)
        return self._open[who]

    def close(self) -> None:
        for lab in self._open.values():
            lab.close()


@pytest.fixture
def notebooks(answering: Served) -> Iterator[Notebooks]:
    opened = Notebooks(answering)
    yield opened
    opened.close()
