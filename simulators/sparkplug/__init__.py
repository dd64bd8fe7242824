"""The Sparkplug face: an edge node of the Eclipse Sparkplug specification 3.0 with one device a machine."""

from simulators.sparkplug.identity import Identity
from simulators.sparkplug.publisher import publish

__all__ = ["Identity", "publish"]
