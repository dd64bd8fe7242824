"""A server process that ends with the run, also when the run is killed."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL = 30
"""Lines of a server's log that an error shows."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """One running server process. `stop_signal` is the server's own word for a quick, clean end."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    stop_signal: signal.Signals

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self, *, patience: float = 10.0) -> None:
        """Ask it to end, then insist; returns when it is gone."""
        if self.running:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Return once `ready` answers true; raise RuntimeError with the log's tail when it dies or never does."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running or time.monotonic() > deadline:
                state = "did not get ready" if self.running else f"ended with code {self.process.returncode}"
                self.stop()
                raise RuntimeError(f"{self.name} {state}; the end of its log:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])


class Restartable:
    """A server that a test may stop, kill and start again; `begin` starts one process of it."""

    def __init__(self, begin: Callable[[], Child]) -> None:
        self._begin = begin
        self._child: Child | None = None

    def start(self) -> None:
        """Start it where it does not run; returns when it is ready."""
        if self._child is None or not self._child.running:
            self._child = self._begin()

    def stop(self) -> None:
        """Ask it to end; returns when it is gone."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._child is not None:
            self._child.kill()


def start(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: int | None = None,
    dies_with_us: bool = True,
) -> Child:
    """Start `command` with its output in `log`; `user` is the uid and gid to run it as, when we are root.

    On Linux the kernel sends `stop_signal` when this process ends in any way. `dies_with_us=False` is for a command
    that arranges this itself, after it has changed its user (a change of user clears the arrangement).
    """
    arranged = [*dying_with_us(stop_signal), *command] if dies_with_us else list(command)
    with log.open("ab") as output:
        process = subprocess.Popen(
            arranged,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )
    return Child(name=name, process=process, log=log, stop_signal=stop_signal)


def dying_with_us(stop_signal: signal.Signals) -> list[str]:
    """Words to put before a command so that it gets `stop_signal` when its parent ends."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"] if setpriv else []


def wait_for(ready: Callable[[], bool], what: str, *, seconds: float = 90.0) -> None:
    """Return once `ready` answers true; for a server that is no child of ours."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether something accepts a connection on this port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True
