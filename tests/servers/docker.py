"""Containers for a run, where a Docker engine runs: removed at the end, and by the next run after a crash."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.servers.port import free_port
from tests.servers.unavailable import Unavailable

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
LABEL = "fieldlab.test.pid"
PATIENCE = 300
"""Seconds for one command of the engine; the first one may have to fetch an image."""


def engine_runs() -> bool:
    """Whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def pinned_image(service: str) -> str:
    """The image of a service of `compose.yaml`: one place says which version we run and test."""
    image: str = yaml.safe_load(COMPOSE.read_text())["services"][service]["image"]
    return image


@dataclass(frozen=True, kw_only=True)
class Container:
    """A running container; `port` of the loopback leads into it, also after a restart."""

    name: str
    port: int

    def start(self) -> None:
        _docker("start", self.name)

    def stop(self) -> None:
        _docker("stop", self.name)

    def kill(self) -> None:
        _docker("kill", self.name)

    def hang_up(self) -> None:
        """Send it SIGHUP, at which servers read their files again."""
        _docker("kill", "--signal", "HUP", self.name)


@contextmanager
def container(
    image: str, *, port: int, options: Sequence[str] = (), command: Sequence[str] = ()
) -> Iterator[Container]:
    """Run `image`, whose server listens on its `port`; removed at the end with its data."""
    _sweep()
    published = free_port()
    words = [
        "run",
        "--detach",
        "--label",
        f"{LABEL}={os.getpid()}",
        "--publish",
        f"127.0.0.1:{published}:{port}",
        *options,
    ]
    name = _docker(*words, image, *command)
    try:
        yield Container(name=name, port=published)
    finally:
        _docker("rm", "--force", "--volumes", name)


def _sweep() -> None:
    """Remove the containers of runs that were killed."""
    listing = _docker("ps", "--all", "--filter", f"label={LABEL}", "--format", f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}')
    for line in listing.splitlines():
        name, pid = line.split()
        if not _is_running(int(pid)):
            _docker("rm", "--force", "--volumes", name)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _docker(*words: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"docker {words[0]} did not answer within {PATIENCE} s") from error
    if done.returncode:
        raise Unavailable(f"docker {words[0]} ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()
