"""The MQTT face: machines that publish their telemetry as JSON."""

from simulators.mqtt.broker import Broker, MqttVersion
from simulators.mqtt.frames import publish_frames
from simulators.mqtt.publisher import publish

__all__ = ["Broker", "MqttVersion", "publish", "publish_frames"]
