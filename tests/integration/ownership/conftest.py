"""A lab with owners, in a database of the test's own, on each engine."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.ownership.floor import Floor, floor_in
from tests.servers.database import Database


@pytest.fixture
async def floor(database: Database) -> AsyncIterator[Floor]:
    """A lab whose mill goes from one company to the next."""
    async with floor_in(database) as floor:
        yield floor
