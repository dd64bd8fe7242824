"""InfluxDB line protocol, version 2: each field of each line becomes a sample.

The grammar is that of InfluxDB's documentation; where it leaves a case open (a backslash before another backslash), its
server's own reading is followed: a backslash escapes the one character after it, and only where that needs it.
"""

import re
from typing import Final

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.json_document import LARGEST, LONGEST_ADDRESS, MOST
from connectors.mqtt.decode.moment import counted
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.payload import InfluxPayload
from fieldlab.errors import InvalidTime
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import GOOD

_KEY: Final = r"(?:\\[,= ]|\\(?![,= ])|[^,= \n\\])++"
_SERIES: Final = re.compile(rf"(?:\\[, ]|\\(?![, ])|[^, \n\\])++((?:,{_KEY}={_KEY})*+)(?=[ ])")
_TAG: Final = re.compile(rf",({_KEY})={_KEY}")
_FIELD: Final = re.compile(
    rf"(?P<key>{_KEY})=(?:"
    r"(?P<number>[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?)[iu]?"
    r"|(?P<true>t|T|true|True|TRUE)|(?P<false>f|F|false|False|FALSE)"
    r'|"(?P<text>(?:[^"\\]|\\.)*+)")(?=[, \n]|\r?\n|\Z)',
    flags=re.DOTALL | re.ASCII,
)
_TIME: Final = re.compile(r" ++(-?\d{1,19})(?= *+(?:\r?\n|\Z))", flags=re.ASCII)
_END: Final = re.compile(r" *+\r?(?:\n|\Z)")
_SPACE: Final = re.compile(r" ++")
_IDLE: Final = re.compile(r"(?:[ \t\r]*+(?:#[^\n]*+)?(?:\n|\Z))++")
_ESCAPED: Final = re.compile(r'\\(["\\])')
_REMEMBERED: Final = 100_000
_EXACT: Final = 2**63


class InfluxDecoder:
    """Decodes the messages of one source; it remembers addresses, and nothing else, from one to the next.

    The address of a field is `<topic>#<measurement>,<tag>=<value>,… <field>`, with the tags in the order of their keys
    and all escapes as in the line. A line without a time gets the receipt's.
    """

    def __init__(self, config: InfluxPayload) -> None:
        self._unit = config.time_unit
        self._series: dict[tuple[str, str], dict[str, str]] = {}
        self._remembered = 0

    def into(self, batch: Batch, message: Message) -> None:
        """Add the samples of a message to a batch; each line that cannot be read is a reject, and the others count."""
        try:
            text = _text(message)
        except Refused as refusal:
            batch.refuse(message, refusal.reason, str(refusal))
            return
        samples = batch.samples
        at, number, size, most = 0, 1, len(text), len(samples) + MOST
        while at < size:
            idle = _IDLE.match(text, at)
            if idle is not None and idle.end() > at:
                number += text.count("\n", at, idle.end())
                at = idle.end()
                continue
            before = len(samples)
            try:
                end = self._line(batch, message, text, at)
                if len(samples) > most:
                    self._stop(batch, message, most - MOST)
                    return
            except (Refused, InvalidTime) as refusal:
                for column in (samples.addresses, samples.values, samples.texts):
                    del column[before:]
                end = (text.find("\n", at) + 1) or size
                reason = refusal.reason if isinstance(refusal, Refused) else Reason.INVALID_TIME
                line = message._replace(payload=text[at:end].rstrip("\n").encode())
                batch.refuse(line, reason, f"Line {number}: {refusal}")
            number += text.count("\n", at, end)
            at = end

    def _stop(self, batch: Batch, message: Message, mark: int) -> None:
        """Refuse the whole message, because it holds too much."""
        samples = batch.samples
        for column in (samples.addresses, samples.times, samples.values):
            del column[mark:]
        del samples.texts[mark:], samples.statuses[mark:], samples.origins[mark:]
        detail = f"The message holds more than {MOST} values; send fewer lines in each."
        batch.refuse(message, Reason.MALFORMED, detail)

    def _line(self, batch: Batch, message: Message, text: str, begin: int) -> int:
        """Add the samples of the line that begins at `begin`, and give where the next begins."""
        series = _SERIES.match(text, begin)
        if series is None:
            raise Refused(
                "it begins without a measurement, its tags and a space; write one like cpu,host=mill usage=1.5."
            )
        names = self._names(message.topic, series)
        samples = batch.samples
        first = len(samples)
        at = self._fields(batch, names, text, begin, series.end())
        count = len(samples) - first
        if len(set(samples.addresses[first:])) != count:
            raise Refused("a field stands twice; send it once.")
        time = _TIME.match(text, at)
        end = _END.match(text, at if time is None else time.end())
        if end is None:
            raise Refused(f"at character {at - begin + 1} there is neither a time nor the end of the line.")
        moment = None if time is None else counted(int(time[1]), name="the time", unit=self._unit)
        if moment is None and message.retained:
            raise InvalidTime("the broker kept this message from before and the line holds no time; send one with it.")
        samples.times.extend([message.received_at if moment is None else moment] * count)
        samples.statuses.extend([GOOD] * count)
        samples.origins.extend([(Clock.RECEIPT if moment is None else Clock.SOURCE).value] * count)
        return end.end()

    def _fields(self, batch: Batch, names: dict[str, str], text: str, begin: int, at: int) -> int:
        """Add addresses, values and texts of the fields after the series, and give where they end."""
        addresses, values, texts = batch.samples.addresses, batch.samples.values, batch.samples.texts
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        while True:
            field = _FIELD.match(text, at)
            if field is None:
                place = f"at character {at - begin + 1} there is no field"
                raise Refused(f'{place}; write one like usage=1.5, count=3i or name="x".')
            key = field["key"]
            addresses.append(names.get(key) or self._name(names, key))
            match field.lastgroup:
                case "number":
                    values.append(_number(field, text))
                    texts.append(None)
                case "text":
                    values.append(None)
                    texts.append(_string(field["text"]))
                case boolean:
                    values.append(1.0 if boolean == "true" else 0.0)
                    texts.append(None)
            at = field.end()
            if text[at : at + 1] != ",":
                return at
            at += 1

    def _names(self, topic: str, series: "re.Match[str]") -> dict[str, str]:
        """Give the addresses of a series by field; the empty field stands for what they all begin with."""
        raw = series[0]
        names = self._series.get((topic, raw))
        if names is None:
            if self._remembered >= _REMEMBERED:
                self._series.clear()
                self._remembered = 0
            tags = sorted((tag[1], tag[0]) for tag in _TAG.finditer(series[1]))
            if len({key for key, _ in tags}) != len(tags):
                raise Refused("a tag stands twice; send it once.")
            begin = raw[: len(raw) - len(series[1])]
            names = self._series[topic, raw] = {"": f"{topic}#{begin}{''.join(tag for _, tag in tags)} "}
            self._remembered += 1
        return names

    def _name(self, names: dict[str, str], key: str) -> str:
        address = names[""] + key
        if len(address) > LONGEST_ADDRESS:
            raise Refused(f"the address {address[:60]!r}… is longer than {LONGEST_ADDRESS} characters.")
        if self._remembered < _REMEMBERED:
            names[key] = address
            self._remembered += 1
        return address


def _text(message: Message) -> str:
    size = len(message.payload) + message.missing
    if size > LARGEST:
        raise Refused(f"The payload has {size} bytes; send at most {LARGEST} in a message.")
    try:
        text = message.payload.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"Not line protocol: byte {error.start} is not UTF-8.") from None
    if "\0" in text:
        raise Refused("The payload holds a NUL character; send it without.")
    if _IDLE.fullmatch(text) or not text:
        raise Refused("The payload holds no line; send one like cpu,host=mill usage=1.5 1763712000000000000.")
    return text


def _number(field: "re.Match[str]", text: str) -> float:
    """Read a float, or an integer with its suffix, which must fit 64 bits."""
    digits = field["number"]
    suffix = text[field.end() - 1]
    if suffix in "iu":
        try:
            whole = int(digits)
        except ValueError:
            raise Refused(
                f"the field {field['key'][:60]!r} is no integer; leave out the point or the {suffix}."
            ) from None
        low, high = (-_EXACT, _EXACT) if suffix == "i" else (0, 2 * _EXACT)
        if not low <= whole < high:
            raise Refused(f"the field {field['key'][:60]!r} does not fit an integer of 64 bits.")
        return float(whole)
    return float(digits)


def _string(raw: str) -> str:
    return _ESCAPED.sub(r"\1", raw) if "\\" in raw else raw
