"""A Python with other makers' packages, apart from ours: made once, by pip, in a cache directory."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.unavailable import Unavailable


def python_with(packages: Sequence[str], *, name: str, what: str) -> Path:
    """Give a Python that has these packages and no others, made now if this machine has none yet.

    `name` tells its directory, `what` is said where it cannot be made; raises Unavailable.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fieldlab"
    contents = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:12]
    place = cache / f"{name}-{contents}"
    ready = place / "ready"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            python = place / "bin" / "python"
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(place)],
                [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *packages],
            ):
                made = subprocess.run(command, capture_output=True, text=True, check=False)
                if made.returncode:
                    lines = made.stderr.strip().splitlines() or ["no reason given"]
                    raise Unavailable(f"{what} cannot be installed ({lines[-1]}); allow pip to")
            ready.touch()
    return place / "bin" / "python"
