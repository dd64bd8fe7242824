"""The OPC UA face: a server with an object for each machine, its values stamped with the machine's time."""

from simulators.opcua.serve import NAMESPACE, serve

__all__ = ["NAMESPACE", "serve"]
