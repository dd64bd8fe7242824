"""node-opcua, an OPC UA server of another maker, installed once into a cache directory; it needs node and npm."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.servers.port import free_port
from tests.servers.unavailable import Unavailable

VERSION: Final = "2.186.4"
_SERVER: Final = Path(__file__).with_name("server.js")


@contextmanager
def node_opcua(*, variables: int = 0) -> Iterator[str]:
    """Run the server and give its URL; raises Unavailable where it cannot be installed."""
    modules = _installed()
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            ["node", str(_SERVER), str(port), folder, str(variables)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"NODE_PATH": str(modules), "HOME": folder},
        ) as server,
    ):  # fmt: skip
        try:
            assert server.stdout is not None
            if not any(line.strip() == "ready" for line in iter(server.stdout.readline, "")):
                raise RuntimeError("node-opcua did not start")
            yield f"opc.tcp://127.0.0.1:{port}"
        finally:
            server.terminate()


def _installed() -> Path:
    """Give the folder with the module, installing it where it is not there."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Unavailable("node-opcua needs node and npm: apt-get install nodejs npm.")
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fieldlab" / f"node-opcua-{VERSION}"
    if not (home / "ready").exists():
        home.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--silent",
            "--prefix",
            str(home),
            f"node-opcua@{VERSION}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise Unavailable(f"node-opcua cannot be installed: {done.stderr.strip()[-300:]}")
        (home / "ready").touch()
    return home / "node_modules"
