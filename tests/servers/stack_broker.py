"""The broker of compose.yaml, with the start-up script, settings and rights that stand there."""

import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from tests.servers import docker, trixie
from tests.servers.child import listens, wait_for
from tests.servers.port import free_port
from tests.servers.scratch import scratch

SERVICE = "mosquitto"
HOME = "/mosquitto"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What compose.yaml says about the broker; `files` has the content of each configuration by its place."""

    image: str
    command: tuple[str, ...]
    files: Mapping[str, str]


@contextmanager
def stack_broker(environment: Mapping[str, str]) -> Iterator[int]:
    """Run it with these values in place of the service's environment; gives its port of the loopback."""
    definition = _read()
    running = (
        _from_docker(definition, environment)
        if docker.engine_runs()
        else _from_trixie(trixie.obtain(), definition, environment)
    )
    with running as port:
        yield port


def _read() -> Definition:
    stack = yaml.safe_load(docker.COMPOSE.read_text())
    service = stack["services"][SERVICE]
    return Definition(
        image=service["image"],
        command=tuple(word.replace("$$", "$") for word in service["command"]),
        files={config["target"]: stack["configs"][config["source"]]["content"] for config in service["configs"]},
    )


@contextmanager
def _from_docker(definition: Definition, environment: Mapping[str, str]) -> Iterator[int]:
    with scratch(on_disk=True) as place:
        options = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        for target, content in definition.files.items():
            file = place / target.replace("/", "_")
            file.write_text(content)
            options += ["--volume", f"{file}:{target}:ro"]
        with docker.container(definition.image, port=1883, options=options, command=definition.command) as running:
            wait_for(lambda: listens(running.port), "the container of the stack's broker")
            yield running.port


@contextmanager
def _from_trixie(root: trixie.Trixie, definition: Definition, environment: Mapping[str, str]) -> Iterator[int]:
    with scratch() as place:
        port, home = free_port(), place / "home"
        (home / "data").mkdir(parents=True)
        root.give(home / "data", user="mosquitto")

        def here(text: str) -> str:
            return text.replace(f"{HOME}/", f"{home}/").replace("listener 1883", f"listener {port} 127.0.0.1")

        for target, content in definition.files.items():
            file = home / target.removeprefix(f"{HOME}/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(here(content))
            root.give(file, user="mosquitto")
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        *shell, script = definition.command
        command = [*shell, f"PATH=$PATH:/usr/sbin\n{exports}{here(script)}"]
        child = root.start(SERVICE, command, user="root", scratch=place, stop_signal=signal.SIGTERM)
        try:
            child.wait_until(lambda: listens(port))
            yield port
        finally:
            child.stop()
