"""Turns MQTT messages into samples and rejects: pure, one module a payload format."""

from typing import Protocol

from connectors.mqtt.decode.batch import Batch, Decoded, Message
from connectors.mqtt.decode.influx import InfluxDecoder
from connectors.mqtt.decode.json_document import JsonDecoder
from connectors.mqtt.decode.json_path import JsonPathDecoder
from connectors.mqtt.decode.scalar import ScalarDecoder
from connectors.mqtt.decode.senml import SenmlDecoder
from connectors.mqtt.payload import (
    InfluxPayload,
    JsonPathPayload,
    JsonPayload,
    Payload,
    ScalarPayload,
    SenmlPayload,
)
from fieldlab.errors import InvalidSettings
from fieldlab.readings.instant import Instant

__all__ = ["Batch", "Decoded", "Decoder", "Message", "decode", "decoder"]


class Decoder(Protocol):
    """Decodes the messages of one source."""

    def into(self, batch: Batch, message: Message) -> None:
        """Add the samples of a message to a batch, or its rejects; raises nothing, whatever the payload holds."""


def decoder(config: Payload) -> Decoder:
    """Build the decoder of a payload format; raises InvalidSettings for one that no message is read by alone."""
    match config:
        case JsonPayload():
            return JsonDecoder(config)
        case ScalarPayload():
            return ScalarDecoder(config)
        case JsonPathPayload():
            return JsonPathDecoder(config)
        case InfluxPayload():
            return InfluxDecoder(config)
        case SenmlPayload():
            return SenmlDecoder(config)
        case _:
            raise InvalidSettings(f"A message of the format {config.format} cannot be read without those before it.")


def decode(topic: str, payload: bytes, received_at: Instant, config: Payload, *, retained: bool = False) -> Decoded:
    """Turn one message into samples and rejects; it raises nothing, whatever the payload holds."""
    batch = Batch()
    message = Message(topic=topic, payload=payload, received_at=received_at, retained=retained)
    decoder(config).into(batch, message)
    return Decoded(samples=batch.samples, rejects=tuple(batch.rejects), described=tuple(batch.described))
