"""Sparkplug edge nodes of other makers, each in a process with the Python packages that it wants, which are not ours.

They want an older paho-mqtt than the product. Their environment is made once with pip, and kept in the user's cache
directory; later runs need no network.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from tests.servers.broker import Broker
from tests.servers.other_python import python_with

PACKAGES = ("mqtt-spb-wrapper==2.1.2", "pysparkplug==0.6.1", "paho-mqtt==1.6.1", "protobuf==6.33.0")
"""As they are tried; without their dependencies, of which these are all that an edge node needs."""

WRAPPER = """
import sys
from mqtt_spb_wrapper import MqttSpbEntityDevice, MqttSpbEntityEdgeNode

host, port, group = sys.argv[1], int(sys.argv[2]), sys.argv[3]
node = MqttSpbEntityEdgeNode(group, "cell", include_spb_rebirth=False)  # its own is called when made, and then never
device = MqttSpbEntityDevice(group, "cell", "mill")
node.data.set_value("temperature", 21.5)
for name, value in (("power", 10.5), ("state", "idle"), ("count", -3)):
    device.data.set_value(name, value)

def births(*_):
    node.publish_birth()
    device.publish_birth()

node.commands.set_value("Node Control/Rebirth", False, callback_on_change=births)
node.connect(host, port)
device.connect(host, port)
births()
for line in sys.stdin:
    verb, _, value = line.strip().partition(" ")
    if verb == "power":
        device.data.set_value("power", float(value))
        device.publish_data()
    elif verb == "device-leaves":
        device.disconnect()
    else:
        node.disconnect()
        break
"""

PYSPARKPLUG = """
import sys
import threading
import time
import pysparkplug as sp

host, port, group = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def metric(name, data_type, value):
    return sp.Metric(timestamp=int(time.time() * 1000), name=name, datatype=data_type, value=value)

def births(node, message):  # it gives births when it connects, and at no other time
    threading.Thread(target=lambda: (node.disconnect(), node.connect(host, port=port))).start()

node = sp.EdgeNode(group, "cell", [metric("temperature", sp.DataType.DOUBLE, 21.5)], cmd_callback=births)
device = [metric("power", sp.DataType.FLOAT, 10.5), metric("state", sp.DataType.STRING, "idle"),
          metric("count", sp.DataType.INT16, -3)]
node.register(sp.Device("mill", device))
node.connect(host, port=port)
for line in sys.stdin:
    verb, _, value = line.strip().partition(" ")
    if verb == "power":
        node.update_device("mill", [metric("power", sp.DataType.FLOAT, float(value))])
    elif verb == "device-leaves":
        node.deregister("mill")
    else:
        node.disconnect()
        break
"""


class EdgeName(StrEnum):
    """The packages that edge nodes are made with."""

    WRAPPER = "mqtt-spb-wrapper"
    PYSPARKPLUG = "pysparkplug"


SCRIPTS = {EdgeName.WRAPPER: WRAPPER, EdgeName.PYSPARKPLUG: PYSPARKPLUG}


class EdgeNode:
    """A running edge node `cell` with a device `mill`, whose metrics are power 10.5, state "idle" and count -3."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def power(self, value: float) -> None:
        """Have the device measure a power."""
        self._tell(f"power {value}")

    def device_leaves(self) -> None:
        """Have the device die."""
        self._tell("device-leaves")

    def leave(self) -> None:
        """Have the node say goodbye."""
        self._tell("leave")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    def _tell(self, line: str) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()


@contextmanager
def edge_node(name: EdgeName, broker: Broker, group: str) -> Iterator[EdgeNode]:
    """Run an edge node; raises `Unavailable` when this machine has no way to."""
    python = python_with(PACKAGES, name="edges", what="edge nodes of other makers")
    command = [str(python), "-c", SCRIPTS[name], broker.host, str(broker.port_311), group]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield EdgeNode(process)
        finally:
            process.kill()
