"""JSON read by a mapping: named values by JSONPath (RFC 9535), one or several samples of each in a message."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Final

import jsonpath
from jsonpath.segments import JSONPathChildSegment
from jsonpath.selectors import IndexSelector, NameSelector

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.json_document import LONGEST_ADDRESS, MOST, keys_in, parsed, refuse_repeated_keys
from connectors.mqtt.decode.moment import moment_at
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.payload import JsonPathPayload
from fieldlab.errors import InvalidInput, InvalidTime
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import GOOD

_PART: Final = re.compile(r"\{([^{}]*)\}")

Find = Callable[[object, object], list[object]]
"""Gives what a path finds in a document and one of its samples."""


class JsonPathDecoder:
    """Decodes the messages of one source; it remembers nothing from one to the next.

    The address of a value is `<topic>#<name>`. A path that begins with `$` looks in the document, one with `@` in the
    sample, which is each node that `each` finds, or the document where that is left out. A path that may find several
    values numbers them: `<name>.0`, `<name>.1`. Booleans become 0 and 1; null, and what is not there, is skipped.
    """

    def __init__(self, config: JsonPathPayload) -> None:
        self._config = config
        self._each = None if config.each is None else _finder(config.each)
        self._time = None if config.time is None else _finder(config.time)
        self._values = [
            (_namer(name), _finder(path), not _is_singular(path), path) for name, path in config.values.items()
        ]

    def into(self, batch: Batch, message: Message) -> None:
        """Add the samples of a message to a batch, or its reject; raises nothing, whatever the payload holds."""
        samples = batch.samples
        mark, kept = len(samples), len(batch.rejects)
        try:
            document = parsed(message.payload, message.missing)
            refuse_repeated_keys(message.payload, keys_in(document))
            found = 0
            for sample in [document] if self._each is None else self._each(document, document):
                found += self._sample(batch, message, document, sample)
                if len(samples.addresses) - mark > MOST:
                    raise Refused(f"The document holds more than {MOST} values; send fewer in a message.")
            if not found:
                raise Refused(
                    f"Nothing in the document is where options.payload.values says, like {self._values[0][3]}; correct "
                    "the paths, or leave this topic out of options.topics.",
                    Reason.UNKNOWN_ADDRESS,
                )
        except InvalidInput as refusal:
            for column in (samples.addresses, samples.times, samples.values):
                del column[mark:]
            del samples.texts[mark:], samples.statuses[mark:], samples.origins[mark:]
            del batch.rejects[kept:]
            reason = Reason.INVALID_TIME if isinstance(refusal, InvalidTime) else Reason.MALFORMED
            batch.refuse(message, refusal.reason if isinstance(refusal, Refused) else reason, str(refusal))

    def _sample(self, batch: Batch, message: Message, document: object, sample: object) -> int:
        """Add the values of one sample; gives how many paths led somewhere."""
        samples = batch.samples
        mark, found = len(samples.times), 0
        for namer, finder, several, path in self._values:
            for place, value in enumerate(finder(document, sample)):
                found += 1
                if value is None:
                    continue
                address = f"{message.topic}#{namer(document, sample)}{f'.{place}' if several else ''}"
                if len(address) > LONGEST_ADDRESS or "\0" in address:
                    raise Refused(f"The address {address[:60]!r}… is longer than {LONGEST_ADDRESS} or holds NUL.")
                if isinstance(value, (int, float)):
                    samples.values.append(_double(value))
                    samples.texts.append(None)
                elif isinstance(value, str) and "\0" not in value:
                    samples.values.append(None)
                    samples.texts.append(value)
                else:
                    what = "a text with a NUL character" if isinstance(value, str) else "an object or array"
                    detail = f"{path} leads to {what}; correct it in options.payload.values."
                    batch.refuse(message, Reason.WRONG_TYPE, detail, address=address)
                    continue
                samples.addresses.append(address)
        count = len(samples.addresses) - mark
        if count:
            moment = self._moment(document, sample)
            if moment is None and message.retained:
                raise InvalidTime(
                    "The broker kept this message from before and it holds no time, so when it was measured is not "
                    "known; send a time with it, or do not retain it."
                )
            samples.times.extend([message.received_at if moment is None else moment] * count)
            samples.statuses.extend([GOOD] * count)
            samples.origins.extend([(Clock.RECEIPT if moment is None else Clock.SOURCE).value] * count)
        return found

    def _moment(self, document: object, sample: object) -> Instant | None:
        if self._time is None:
            return None
        given = self._time(document, sample)
        return moment_at(given[0], name=repr(self._config.time), unit=self._config.time_unit) if given else None


def _finder(text: str) -> Find:
    """Compile a path; one that leads to a single place is followed without the machinery of a query."""
    path = jsonpath.compile(f"${text[1:]}")
    in_sample = text[0] == "@"
    keys = _keys(path)
    if keys is None:
        return lambda document, sample: _queried(path, sample if in_sample else document)
    steps = tuple(keys)
    return lambda document, sample: _followed(sample if in_sample else document, steps)


def _queried(path: jsonpath.JSONPath | jsonpath.CompoundJSONPath, root: object) -> list[object]:
    return list(path.findall(root)) if isinstance(root, (dict, list)) else []


def _followed(node: object, steps: Iterable[str | int]) -> list[object]:
    for step in steps:
        match node, step:
            case dict(), str() if step in node:
                node = node[step]
            case list(), int() if -len(node) <= step < len(node):
                node = node[step]
            case _:
                return []
    return [node]


def _keys(path: jsonpath.JSONPath | jsonpath.CompoundJSONPath) -> list[str | int] | None:
    """Give the keys and positions of a path to a single place; None for any other."""
    if not isinstance(path, jsonpath.JSONPath) or not path.singular_query():
        return None
    keys: list[str | int] = []
    for segment in path.segments:
        if not isinstance(segment, JSONPathChildSegment):
            return None
        match segment.selectors:
            case (NameSelector(name=key),):
                keys.append(key)
            case (IndexSelector(index=place),):
                keys.append(place)
            case _:
                return None
    return keys


def _is_singular(text: str) -> bool:
    path = jsonpath.compile(f"${text[1:]}")
    return isinstance(path, jsonpath.JSONPath) and path.singular_query()


def _namer(name: str) -> Callable[[object, object], str]:
    """Compile a name, of which some parts may stand in the message."""
    if "{" not in name:
        return lambda _document, _sample: name
    parts = [(text, None) if place % 2 == 0 else (text, _finder(text)) for place, text in enumerate(_PART.split(name))]

    def named(document: object, sample: object) -> str:
        return "".join(text if find is None else _part(text, find(document, sample)) for text, find in parts)

    return named


def _part(path: str, found: list[object]) -> str:
    if found and isinstance(found[0], (str, int)) and not isinstance(found[0], bool):
        return str(found[0])
    raise Refused(f"{path} leads to no text or integer, which a name needs; send it with each sample.")


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
