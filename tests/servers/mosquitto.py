"""Eclipse Mosquitto: a container where a Docker engine runs, else the package of a private Debian root."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.servers import docker, trixie
from tests.servers.broker import Broker, BrokerName
from tests.servers.child import Child, Restartable, listens, wait_for
from tests.servers.port import free_port
from tests.servers.scratch import scratch

SERVICE = "mosquitto"
CONFIGURATION = """
listener {port} {address}
allow_anonymous true
max_queued_messages 0
max_inflight_messages 1000
log_dest stderr
"""
"""A queue without end: by default a client that is away loses everything beyond 1,000 messages."""
PERSISTENCE = """
persistence true
persistence_location {data}/
autosave_interval 1
autosave_on_changes true
"""
"""Everything is on the disk after every change, which is slow: a thousand messages a second."""


@contextmanager
def mosquitto(*, persistent: bool = True) -> Iterator[Broker]:
    """A fresh broker, gone at the end. Raises `Unavailable` when this machine has no way to run one.

    One that is not `persistent` is fast, and forgets its sessions when it stops.
    """
    text = CONFIGURATION + (PERSISTENCE if persistent else "")
    if docker.engine_runs():
        with _from_docker(text, persistent=persistent) as broker:
            yield broker
    else:
        with _from_trixie(trixie.obtain(), text, persistent=persistent) as broker:
            yield broker


@contextmanager
def _from_docker(text: str, *, persistent: bool) -> Iterator[Broker]:
    with scratch(on_disk=True) as place:
        configuration = place / "mosquitto.conf"
        configuration.write_text(text.format(port=1883, address="0.0.0.0", data="/mosquitto/data"))
        volume = f"{configuration}:/mosquitto/config/mosquitto.conf:ro"
        with docker.container(docker.pinned_image(SERVICE), port=1883, options=["--volume", volume]) as running:

            def begin() -> None:
                running.start()
                wait_for(lambda: listens(running.port), "the container of mosquitto")

            wait_for(lambda: listens(running.port), "the container of mosquitto")
            yield _broker(running.port, begin, running.stop, running.kill, persistent=persistent)


@contextmanager
def _from_trixie(root: trixie.Trixie, text: str, *, persistent: bool) -> Iterator[Broker]:
    with scratch() as place:
        port, configuration, data = free_port(), place / "mosquitto.conf", place / "data"
        configuration.write_text(text.format(port=port, address="127.0.0.1", data=data))
        data.mkdir()
        root.give(data, user="mosquitto")

        def begin() -> Child:
            command = ["/usr/sbin/mosquitto", "-c", str(configuration)]
            child = root.start("mosquitto", command, user="mosquitto", scratch=place, stop_signal=signal.SIGTERM)
            child.wait_until(lambda: listens(port))
            return child

        server = Restartable(begin)
        server.start()
        try:
            yield _broker(port, server.start, server.stop, server.kill, persistent=persistent)
        finally:
            server.stop()


def _broker(
    port: int, begin: Callable[[], None], stop: Callable[[], None], kill: Callable[[], None], *, persistent: bool
) -> Broker:
    return Broker(
        name=BrokerName.MOSQUITTO,
        host="127.0.0.1",
        port=port,
        port_311=port,
        start=begin,
        stop=stop,
        kill=kill,
        honours_receive_maximum=True,
        shares_subscriptions=True,
        gives_topics_up=True,
        keeps_sessions_over_restart=persistent,
    )
