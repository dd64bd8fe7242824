"""A process that the demo started: its own session, a log file, an orderly end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_GRACE: Final = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A running process; Ctrl-C in the terminal does not reach it, so that it can be ended in order."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def started(
        cls, name: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start it; what it prints goes to its log, and it ends if this process is killed (on Linux)."""
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                [*_dying_with_us(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        return cls(name=name, log=log, process=process)

    @property
    def running(self) -> bool:
        """Tell whether it still runs."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """Give the end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL if that does not help."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
