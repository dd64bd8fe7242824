"""open62541, an OPC UA server of a third maker, in the wheel of o6; unlicensed it runs for ten minutes: enough."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.servers.other_python import python_with

PACKAGES: Final = ("o6==2.2.0", "numpy==2.4.6")
MAKER: Final = "the OPC UA server of a third maker"
NAMESPACE: Final = "urn:open62541.unconfigured.application"

_SERVER: Final = """
import sys, threading, time
import o6

server = o6.Server(port=int(sys.argv[1]))
mill = server.addObject("Mill", server.objectsNode, nodeId="ns=1;s=Mill")
begins = {"Heat": 21.5, "Axes": [1.0, 2.0, 3.0], "Name": "CNC", "On": True, "Small": o6.Byte(7), "Counter": o6.Int32(0)}
made = {name: server.addVariable(name, mill, value, nodeId=f"ns=1;s=Mill/{name}") for name, value in begins.items()}
server.start()
print("ready", flush=True)

def count():
    for number in range(1, 1_000_000):
        time.sleep(0.1)
        made["Counter"](o6.Int32(number))

threading.Thread(target=count, daemon=True).start()
sys.stdin.read()
"""


@contextmanager
def open62541(port: int) -> Iterator[None]:
    """Run a server with a mill of six variables, of which one counts; raises Unavailable without it."""
    python = python_with(PACKAGES, name="open62541", what=MAKER)
    with subprocess.Popen(
        [str(python), "-c", _SERVER, str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            if not any(line.strip() == "ready" for line in iter(server.stdout.readline, "")):
                raise RuntimeError("open62541 did not start")
            yield
        finally:
            server.kill()
