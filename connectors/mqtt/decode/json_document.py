"""JSON (RFC 8259): every number, boolean and text of a document becomes a sample, named by its place."""

import json
import re
from collections.abc import Iterable
from typing import Final

import orjson

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.moment import moment_of
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.payload import JsonPayload
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import GOOD

LARGEST: Final = 1_048_576
"""Bytes of the largest document that is read."""
DEEPEST: Final = 32
MOST: Final = 10_000
"""Samples of the richest document that is read."""
LONGEST_ADDRESS: Final = 2_000

_REMEMBERED: Final = 100_000
_SPACED_COLON: Final = re.compile(rb"\s:")
_NO_NUMBER: Final = re.compile(r"NaN|Inf(?:inity)?", flags=re.IGNORECASE)


class JsonDecoder:
    """Decodes the messages of one source; it remembers addresses, and nothing else, from one to the next.

    The first value at an address tells whether it holds booleans.

    The address of a value is `<topic>#<path>`: keys and array positions joined by dots, where a dot or backslash inside
    a key has a backslash before it. Booleans become 0 and 1; null is skipped. An array of objects that each have the
    time's key holds several samples, and the position in it is no part of the address.
    """

    def __init__(self, config: JsonPayload) -> None:
        self._config = config
        self._names: dict[str, dict[str | int, str]] = {}
        self._remembered = 0

    def into(self, batch: Batch, message: Message) -> None:
        """Add the samples of a message to a batch, or its reject; raises nothing, whatever the payload holds."""
        mark, kept, told = len(batch.samples.addresses), len(batch.rejects), len(batch.described)
        try:
            self._add(batch, message, mark)
        except (InvalidTime, Refused) as refusal:
            samples = batch.samples
            for column in (samples.addresses, samples.values, samples.texts):
                del column[mark:]
            for stamps in (samples.times, samples.statuses, samples.origins):
                del stamps[mark:]
            del batch.rejects[kept:], batch.described[told:]
            invalid = isinstance(refusal, InvalidTime)
            batch.refuse(message, Reason.INVALID_TIME if invalid else Reason.MALFORMED, str(refusal))

    def _add(self, batch: Batch, message: Message, mark: int) -> None:
        topic, payload, missing = message.topic, message.payload, message.missing
        document = parsed(payload, missing)
        if isinstance(document, dict):
            keys = self._part(batch, message, document)
        elif isinstance(document, list) and self._is_series(document):
            keys = sum([self._part(batch, message, one) for one in document])
        elif isinstance(document, list):
            keys = self._walk(batch, message, enumerate(document), f"{topic}#", 1)
            self._stamp(batch, message, None)
        else:
            detail = f"The payload is a lone {_kind(document)}; send a JSON object or array."
            batch.refuse(message, Reason.WRONG_TYPE, detail)
            return
        if payload.count(b":") != keys:
            refuse_repeated_keys(payload, keys)
        if (count := len(batch.samples.addresses) - mark) > MOST:
            raise Refused(f"The document holds {count} values; send at most {MOST} in a message.")

    def _is_series(self, documents: list[object]) -> bool:
        """Tell whether an array holds several samples: objects that each have the key of the time."""
        time = self._config.time
        return time is not None and bool(documents) and all(isinstance(one, dict) and time in one for one in documents)

    def _part(self, batch: Batch, message: Message, document: dict[str, object]) -> int:
        """Append an object with a time of its own; returns the number of its keys, at every level."""
        keys = len(document)
        moment: Instant | None = None
        if self._config.time is not None:
            moment = moment_of(document.pop(self._config.time, None), self._config)
        keys += self._walk(batch, message, document.items(), f"{message.topic}#", 1)
        self._stamp(batch, message, moment)
        return keys

    def _stamp(self, batch: Batch, message: Message, moment: Instant | None) -> None:
        """Give the values that were appended last their time, and whose clock it is of."""
        samples = batch.samples
        count = len(samples.addresses) - len(samples.times)
        if count == 0:
            return
        if message.retained and moment is None:
            raise InvalidTime(
                "The broker kept this message from before and it holds no time, so when it was measured is not known; "
                "send a time with it, or do not retain it."
            )
        samples.times.extend([message.received_at if moment is None else moment] * count)
        samples.statuses.extend([GOOD] * count)
        samples.origins.extend([(Clock.RECEIPT if moment is None else Clock.SOURCE).value] * count)

    def _walk(
        self, batch: Batch, message: Message, items: Iterable[tuple[str | int, object]], prefix: str, depth: int
    ) -> int:
        """Append addresses, values and texts of one level and all below it; returns the number of keys below."""
        if depth > DEEPEST:
            raise Refused(f"The document is nested deeper than {DEEPEST} levels; send it flatter.")
        addresses, values, texts = batch.samples.addresses, batch.samples.values, batch.samples.texts
        names = self._names_at(prefix)
        keys = 0
        for key, value in items:
            if value is None:
                continue
            address = names.get(key) or self._name(names, prefix, key, batch if isinstance(value, bool) else None)
            if isinstance(value, (float, int)):
                values.append(float(value))
                texts.append(None)
            elif isinstance(value, str):
                if "\0" in value:
                    batch.refuse(
                        message,
                        Reason.MALFORMED,
                        f"The text at {address!r} holds a NUL character; send it without.",
                        address=address,
                    )
                    continue
                values.append(None)
                texts.append(value)
            elif isinstance(value, dict):
                keys += len(value) + self._walk(batch, message, value.items(), f"{address}.", depth + 1)
                continue
            elif isinstance(value, list):
                keys += self._walk(batch, message, enumerate(value), f"{address}.", depth + 1)
                continue
            addresses.append(address)
        return keys

    def _names_at(self, prefix: str) -> dict[str | int, str]:
        names = self._names.get(prefix)
        if names is None:
            if self._remembered >= _REMEMBERED:
                self._names.clear()
                self._remembered = 0
            names = self._names[prefix] = {}
            self._remembered += 1
        return names

    def _name(self, names: dict[str | int, str], prefix: str, key: str | int, flag_in: Batch | None) -> str:
        """Make the address of a key and remember it; raises Refused for one that cannot be kept.

        A boolean is described in the batch that is given.
        """
        address = prefix + (key.replace("\\", "\\\\").replace(".", "\\.") if isinstance(key, str) else str(key))
        if len(address) > LONGEST_ADDRESS:
            raise Refused(f"The address {address[:60]!r}… is longer than {LONGEST_ADDRESS} characters.")
        if "\0" in address:
            raise Refused(f"The key at {address[:60]!r} holds a NUL character; name it without.")
        if self._remembered < _REMEMBERED:
            names[key] = address
            self._remembered += 1
        if flag_in is not None:
            flag_in.described.append(Description(address=address, kind=Kind.BOOLEAN))
        return address


def parsed(payload: bytes, missing: int) -> object:
    """Parse strictly: no NaN, no trailing text, UTF-8 alone; raises Refused that tells the place."""
    if len(payload) + missing > LARGEST:
        raise Refused(f"The payload has {len(payload) + missing} bytes; send at most {LARGEST} in a message.")
    try:
        document: object = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        place = f"at line {error.lineno}, character {error.colno}"
        no_number = _NO_NUMBER.match(error.doc, error.pos)
        if no_number is not None:
            detail = f"Not JSON: {no_number[0]} {place}; JSON knows no such number, send null instead."
            raise Refused(detail) from None
        raise Refused(f"Not JSON: {error.msg} {place}.") from None
    return document


def keys_in(document: object) -> int:
    """Count the keys of a document, at every level."""
    keys, inner = 0, [document]
    while inner:
        node = inner.pop()
        if isinstance(node, dict):
            keys += len(node)
            inner.extend(node.values())
        elif isinstance(node, list):
            inner.extend(node)
    return keys


def refuse_repeated_keys(payload: bytes, keys: int) -> None:
    """Raise Refused for a document with a key that stands twice in an object: one of its values would be lost.

    Each key is followed by a colon, so a document with as many colons as keys, `keys`, repeats none; most others are
    cleared by counting the colons that follow a quotation mark. What is left is parsed again, with care.
    """
    if payload.count(b":") == keys:
        return
    if payload.count(b'":') == keys and _SPACED_COLON.search(payload) is None:
        return
    json.loads(payload, object_pairs_hook=_unrepeated)


def _unrepeated(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Refused(f"The key {key[:60]!r} stands twice in an object; send it once.")
        seen.add(key)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "text"
        case _:
            return "number"
