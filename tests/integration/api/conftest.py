"""Labs with a running query service, on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.api.lab import Floor, busy_morning, floor
from tests.servers.database import Database


@pytest.fixture
async def quiet_lab(database: Database) -> AsyncIterator[Floor]:
    """A lab that nobody has booked and nothing has measured in yet."""
    async with floor(database) as running:
        yield running


@pytest.fixture
async def lab(quiet_lab: Floor) -> Floor:
    """The mill went from sme-a to sme-b at nine, with samples all around it."""
    await busy_morning(quiet_lab)
    return quiet_lab
