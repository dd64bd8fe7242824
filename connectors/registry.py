"""Finds the connector that a source needs; the wires that no source needs are never imported."""

from collections.abc import Mapping
from pathlib import Path

from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.instant import Instant


def build(
    source: Source,
    *,
    client_name: str,
    environment: Mapping[str, str],
    heard_until: Instant | None = None,
    directory: Path | None = None,
) -> Connector:
    """Build the connector of a source; raises InvalidSettings that names the key, and opens nothing.

    `client_name` tells this gateway from others at the same server and must stay the same over restarts;
    `environment` is where passwords are looked up; `heard_until` is the newest moment that an earlier process
    has of a delivery, so that what was lost since then is known as a gap; `directory` is where certificates are
    kept, and what brokers were asked for.
    """
    match source.wire:
        case Wire.MQTT:
            from connectors.mqtt.connector import MqttConnector

            return MqttConnector(
                source,
                client_name=client_name,
                environment=environment,
                heard_until=heard_until,
                directory=directory,
            )
        case Wire.OPCUA:
            from connectors.opcua.connector import OpcuaConnector

            return OpcuaConnector(
                source,
                client_name=client_name,
                environment=environment,
                heard_until=heard_until,
                directory=directory or Path(".fieldlab/gateway"),
            )
