"""The OPC UA face: a server with an object for each machine, its values stamped with the machine's time."""

from simulators.opcua.security import Security
from simulators.opcua.serve import NAMESPACE, serve

__all__ = ["NAMESPACE", "Security", "serve"]
