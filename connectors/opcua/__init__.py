"""Takes measurements from an OPC UA server: a subscription, acknowledged after its values are safe."""
