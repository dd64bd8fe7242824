"""The query service as a process of its own, and a lab of two participants whose streams it serves."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage import keys
from fieldlab.storage.database import open_engine
from tests.servers.database import Database

_SERVE: Final = """
import sys
from api import desk
from api.ear import Ear
from api.process import run
from fieldlab.settings import ApiSettings
if "deaf" in sys.argv:
    desk.Ear = lambda url: Ear(url, deaf=True)
run(ApiSettings.load(api_port=0, api_requests_per_minute=0), tell=lambda address: print(address, flush=True))
"""
_ALL: Final = frozenset({Permission.DATA_READ, Permission.DATA_LIVE, Permission.AGREEMENTS_WRITE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A running query service."""

    url: str
    pid: int

    def resident(self) -> float:
        """Give its resident memory, in megabytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def worked(self) -> float:
        """Give the seconds for which it has kept a core busy."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(database: Database, *, deaf: bool = False) -> Iterator[Service]:
    """Serve a database, and count nobody's requests; a deaf service hears nothing that the database announces."""
    environment = {**os.environ, "FIELDLAB_API_DATABASE_URL": database.api}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, *(["deaf"] if deaf else [])], env=environment, text=True, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield Service(url=process.stdout.readline().strip(), pid=process.pid)
    finally:
        process.terminate()
        process.communicate()


def declare(database: Database, *, streams: int, keys_each: int) -> dict[str, list[str]]:
    """Make a lab of two participants, of whom one owns an asset with so many streams; give the tokens of each."""
    with psycopg.connect(database.admin) as connection:
        connection.execute(
            "INSERT INTO fieldlab.participant (slug, name, role)"
            " VALUES ('owner', 'An owner', 'sme'), ('other', 'Another', 'sme')"
        )
        connection.execute(
            "INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature)"
            " SELECT 'asset', 'An asset', id, 'simulated' FROM fieldlab.participant WHERE slug = 'owner'"
        )
        connection.execute(
            "INSERT INTO fieldlab.stream (asset_id, name, kind, unit) SELECT id, 's' || n, 'number', '1'"
            " FROM fieldlab.asset, generate_series(1, %s) AS n",
            [streams],
        )
        connection.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('bench', 'mqtt', 'mqtt://nowhere')")
    engine = open_engine(database.admin, name="bench")
    with engine.begin() as connection_:
        tokens: Mapping[str, list[str]] = {
            who: [
                keys.issue(
                    connection_,
                    participant=who,
                    principal="bench",
                    permissions=_ALL,
                    expires_at=Instant(Instant.now() + 3600 * SECOND),
                ).token
                for _ in range(keys_each)
            ]
            for who in ("owner", "other")
        }
    engine.dispose()
    return dict(tokens)
