"""TimescaleDB: the server of `FIELDLAB_TEST_DATABASE_URL`, else a container, else the package in a private Debian."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import docker, trixie
from tests.servers.child import wait_for
from tests.servers.engine import DURABLE_SETTINGS, SETTINGS, Engine, EngineName, answers, as_options
from tests.servers.port import free_port
from tests.servers.scratch import scratch

GIVEN = "FIELDLAB_TEST_DATABASE_URL"
SERVICE = "timescaledb"
BINARIES = "/usr/lib/postgresql/17/bin"
EXTENSION = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
}


@contextmanager
def timescaledb(*, durable: bool = False) -> Iterator[Engine]:
    """A server with TimescaleDB. `durable` keeps the data on disk and waits for it; a given server is taken as it is.

    Raises `Unavailable` when this machine has no way to run one.
    """
    if given := os.environ.get(GIVEN):
        yield Engine(name=EngineName.TIMESCALEDB, origin=GIVEN, admin_url=given)
    elif docker.engine_runs():
        with _from_docker(durable=durable) as engine:
            yield engine
    else:
        with _from_trixie(trixie.obtain(), durable=durable) as engine:
            yield engine


@contextmanager
def _from_docker(*, durable: bool) -> Iterator[Engine]:
    image, password = docker.pinned_image(SERVICE), secrets.token_urlsafe(12)
    options = ["--env", f"POSTGRES_PASSWORD={password}", "--env", "TIMESCALEDB_TELEMETRY=off", "--shm-size", "1g"]
    if not durable:
        options += ["--tmpfs", "/var/lib/postgresql/data"]
    settings = {**(DURABLE_SETTINGS if durable else SETTINGS), **EXTENSION}
    with docker.container(image, port=5432, options=options, command=["postgres", *as_options(settings)]) as running:
        url = f"postgresql://postgres:{password}@127.0.0.1:{running.port}/postgres"
        wait_for(answers(url), f"the container of {image}")
        yield Engine(name=EngineName.TIMESCALEDB, origin=image, admin_url=url)


@contextmanager
def _from_trixie(root: trixie.Trixie, *, durable: bool) -> Iterator[Engine]:
    with scratch(on_disk=durable) as place:
        data, password_file, password, port = place / "data", place / "password", secrets.token_urlsafe(12), free_port()
        password_file.write_text(password)
        data.mkdir(mode=0o700)
        for path in (place, data, password_file):
            root.give(path, user="postgres")
        initdb = [
            *(f"{BINARIES}/initdb", "-D", str(data), "-U", "postgres", f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ]
        root.run(initdb, user="postgres", scratch=place)
        settings = {**(DURABLE_SETTINGS if durable else SETTINGS), **EXTENSION}
        child = root.start(
            "timescaledb",
            [
                *(f"{BINARIES}/postgres", "-D", str(data), "-p", str(port), "-k", ""),
                *("-c", "listen_addresses=127.0.0.1", *as_options(settings)),
            ],
            user="postgres",
            scratch=place,
            stop_signal=signal.SIGQUIT,
        )
        url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        try:
            child.wait_until(answers(url))
            yield Engine(name=EngineName.TIMESCALEDB, origin=f"Debian {trixie.SUITE}", admin_url=url, child=child)
        finally:
            child.stop()
