"""A message that is one value: a number, a boolean or a text, without a time; its address is the topic."""

from typing import Final

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.payload import ScalarPayload
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import GOOD

LONGEST: Final = 65_536
"""Bytes of the longest text."""

_RECEIPT: Final = Clock.RECEIPT.value
_BOOLEANS: Final = {b"true": 1.0, b"false": 0.0}
_FLAGS: Final = frozenset(_BOOLEANS.values())
_REMEMBERED: Final = 100_000


class ScalarDecoder:
    """Decodes the messages of one source; it remembers which topics it told to hold booleans.

    `true` and `false` in any case are 1 and 0. A number is written as in JSON or C; `nan`, as drivers of sensors send
    it for a failed reading, is a number that is none, which is kept under a bad status.
    """

    def __init__(self, config: ScalarPayload) -> None:
        self._numbers_only = config.numbers_only
        self._told: set[str] = set()

    def into(self, batch: Batch, message: Message) -> None:
        """Add the sample of a message to a batch, or its reject; raises nothing, whatever the payload holds."""
        topic, payload, received_at, retained, _ = message
        text: str | None = None
        value = _number(payload)
        if value is None:
            text = self._text(batch, message)
            if text is None:
                return
        if retained:
            batch.refuse(
                message,
                Reason.INVALID_TIME,
                "The broker kept this message from before and it holds no time, so when it was measured is not known; "
                "do not retain it.",
            )
            return
        samples = batch.samples
        samples.addresses.append(topic)
        samples.times.append(received_at)
        samples.values.append(value)
        samples.texts.append(text)
        samples.statuses.append(GOOD)
        samples.origins.append(_RECEIPT)
        if value in _FLAGS and topic not in self._told and payload.strip().lower() in _BOOLEANS:
            self._tell(batch, topic)

    def _tell(self, batch: Batch, topic: str) -> None:
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(topic)
        batch.described.append(Description(address=topic, kind=Kind.BOOLEAN))

    def _text(self, batch: Batch, message: Message) -> str | None:
        """Read the payload as a text; a reject and None where it is none, or only numbers are wanted."""
        payload = message.payload
        size = len(payload) + message.missing
        if not payload.strip():
            batch.refuse(message, Reason.MALFORMED, "The payload is empty; send a value.")
        elif size > LONGEST:
            batch.refuse(message, Reason.MALFORMED, f"The text has {size} bytes; send at most {LONGEST}.")
        elif b"\0" in payload:
            batch.refuse(message, Reason.MALFORMED, "The text holds a NUL character; send it without.")
        else:
            try:
                text = payload.decode()
            except UnicodeDecodeError as error:
                detail = f"Neither a number nor a text: byte {error.start} is not UTF-8"
                batch.refuse(message, Reason.MALFORMED, f"{detail}; set options.payload.format to what it is.")
                return None
            if not self._numbers_only:
                return text
            batch.refuse(message, Reason.WRONG_TYPE, "The text is no number; send one like 21.5, without a unit.")
        return None


def _number(payload: bytes) -> float | None:
    """Read a number or boolean; None for anything else. What a double cannot hold is infinite."""
    try:
        value = float(payload)
    except ValueError:
        return _BOOLEANS.get(payload.strip().lower())
    if b"_" in payload:
        return None
    return value
