"""Both engines at once, for tests that compare them."""

from collections.abc import Iterator

import pytest

from tests.migration.servers import both_engines, migrated
from tests.servers.database import Database
from tests.servers.engine import Engine


@pytest.fixture(scope="session")
def engines() -> Iterator[tuple[Engine, Engine]]:
    """A plain server and one with TimescaleDB."""
    yield from both_engines()


@pytest.fixture(scope="session")
def databases(engines: tuple[Engine, Engine]) -> Iterator[tuple[Database, Database]]:
    """A migrated database on each."""
    with migrated(engines) as both:
        yield both
