"""Takes measurements from an MQTT broker: QoS 1, acknowledged after they are safe."""
