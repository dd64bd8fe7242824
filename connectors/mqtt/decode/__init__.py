"""Turns MQTT messages into samples and rejects: pure, one module a payload format."""

from connectors.mqtt.config import JsonPayload
from connectors.mqtt.decode.batch import Batch, Decoded, Message
from connectors.mqtt.decode.json_document import JsonDecoder
from fieldlab.readings.instant import Instant

__all__ = ["Batch", "Decoded", "JsonDecoder", "Message", "decode", "decoder"]


def decoder(config: JsonPayload) -> JsonDecoder:
    """Build the decoder of a payload format."""
    return JsonDecoder(config)


def decode(topic: str, payload: bytes, received_at: Instant, config: JsonPayload, *, retained: bool = False) -> Decoded:
    """Turn one message into samples and rejects; it raises nothing, whatever the payload holds."""
    batch = Batch()
    message = Message(topic=topic, payload=payload, received_at=received_at, retained=retained)
    decoder(config).into(batch, message)
    return Decoded(samples=batch.samples, rejects=tuple(batch.rejects))
