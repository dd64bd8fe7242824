"""A running database server, as a test sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from tests.servers.child import Child

SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "max_connections": "200",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "wal_level": "minimal",
}
"""Safe only for data that nobody will miss: no statement waits for a disk."""

DURABLE_SETTINGS = {
    "jit": "off",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "shared_buffers": "1GB",
    "timezone": "UTC",
}
"""What a careful operator sets; for measurements."""


class EngineName(StrEnum):
    """The engines that the suite runs on."""

    PLAIN = "plain"
    TIMESCALEDB = "timescaledb"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A database server and the way in as its superuser. `child` is there when this run started the server itself."""

    name: EngineName
    origin: str
    admin_url: str
    child: Child | None = None

    def url(self, *, database: str, user: str | None = None, password: str | None = None) -> str:
        """A libpq URL of a database on this server; as the superuser unless another user is given."""
        parts = urlsplit(self.admin_url)
        netloc = parts.netloc
        if user is not None:
            place = netloc.rpartition("@")[2]
            netloc = f"{quote(user, safe='')}:{quote(password or '', safe='')}@{place}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{quote(database, safe='')}"))


def answers(url: str) -> Callable[[], bool]:
    """A question for `Child.wait_until`: does the server at `url` answer a query yet?"""

    def ready() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    return ready


def as_options(settings: dict[str, str]) -> list[str]:
    """Settings as words of the `postgres` command."""
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
