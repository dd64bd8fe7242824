"""A mosquitto that lets in only whom a password file names, with the rights of an ACL file; reloads both on SIGHUP."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import docker, trixie
from tests.servers.child import listens, wait_for
from tests.servers.mosquitto import SERVICE
from tests.servers.port import free_port
from tests.servers.scratch import scratch

CONFIGURATION = """
listener {port} {address}
allow_anonymous false
password_file {home}/passwords
acl_file {home}/rights
{more}
persistence false
log_type all
log_dest stderr
"""


@dataclass(frozen=True, kw_only=True)
class GuardedBroker:
    """A broker on the loopback; `reload` makes it read its files again."""

    port: int
    reload: Callable[[], None]


@contextmanager
def guarded_mosquitto(write: Callable[[Path], None]) -> Iterator[GuardedBroker]:
    """Run it with the files that `write` puts into a directory, which it may write again before `reload`.

    `write` makes `passwords`, `rights` and `listener.conf`; the last is put into the listener's configuration,
    where `{home}` stands for the directory as mosquitto sees it.
    """
    running = _from_docker(write) if docker.engine_runs() else _from_trixie(trixie.obtain(), write)
    with running as broker:
        yield broker


@contextmanager
def _from_docker(write: Callable[[Path], None]) -> Iterator[GuardedBroker]:
    with scratch(on_disk=True) as place:
        home = place / "files"
        home.mkdir()
        configuration = place / "mosquitto.conf"

        def put() -> None:
            write(home)
            for file in home.iterdir():
                file.chmod(0o644)

        put()
        more = (home / "listener.conf").read_text().replace("{home}", "/mosquitto/files")
        configuration.write_text(CONFIGURATION.format(port=1883, address="0.0.0.0", home="/mosquitto/files", more=more))
        options = [
            *("--volume", f"{configuration}:/mosquitto/config/mosquitto.conf:ro"),
            *("--volume", f"{home}:/mosquitto/files:ro"),
        ]
        with docker.container(docker.pinned_image(SERVICE), port=1883, options=options) as running:
            wait_for(lambda: listens(running.port), "the container of mosquitto")

            def reload() -> None:
                put()
                running.hang_up()

            yield GuardedBroker(port=running.port, reload=reload)


@contextmanager
def _from_trixie(root: trixie.Trixie, write: Callable[[Path], None]) -> Iterator[GuardedBroker]:
    with scratch() as place:
        port, home, configuration = free_port(), place / "files", place / "mosquitto.conf"
        home.mkdir()

        def put() -> None:
            write(home)
            for path in (home, *home.iterdir()):
                root.give(path, user="mosquitto")

        put()
        more = (home / "listener.conf").read_text().replace("{home}", str(home))
        configuration.write_text(CONFIGURATION.format(port=port, address="127.0.0.1", home=home, more=more))
        command = ["/usr/sbin/mosquitto", "-c", str(configuration)]
        child = root.start(SERVICE, command, user="mosquitto", scratch=place, stop_signal=signal.SIGTERM)

        def reload() -> None:
            put()
            before = child.tail().count("Reloading config")
            child.process.send_signal(signal.SIGHUP)
            wait_for(lambda: child.tail().count("Reloading config") > before, "mosquitto's reload")

        try:
            child.wait_until(lambda: listens(port))
            yield GuardedBroker(port=port, reload=reload)
        finally:
            child.stop()
