"""SenML packs (RFC 8428), JSON (clause 5) or CBOR (clause 6): each resolved record becomes a sample."""

import io
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import cbor2

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.json_document import LARGEST, LONGEST_ADDRESS, MOST, keys_in, parsed, refuse_repeated_keys
from connectors.mqtt.decode.moment import counted
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.decode.senml_unit import ucum_of
from connectors.mqtt.payload import SenmlPayload, TimeUnit
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import GOOD

_LABELS: Final = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s",
    6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_BASES: Final = ("bver", "bn", "bt", "bu", "bv", "bs")
_VALUES: Final = {"v": Kind.NUMBER, "vs": Kind.TEXT, "vb": Kind.BOOLEAN, "vd": None}
_NUMBERS: Final = ("bver", "bt", "bv", "bs", "v", "s", "t", "ut")
_TEXTS: Final = ("bn", "bu", "n", "u", "vs")
_VERSION: Final = 10
_RELATIVE: Final = 2**28
"""Seconds: a smaller time is counted from now (4.5.3)."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", flags=re.ASCII)
_CBOR_ARRAY: Final = 0x80
_DEEPEST: Final = 8
_REMEMBERED: Final = 100_000

Record = Mapping[str, object]


class SenmlDecoder:
    """Decodes the messages of one source; it remembers which units it has told, and nothing else.

    The address of a value is `<topic>#<name>` with the resolved name, that of a sum `<topic>#<name>;sum`. A time that
    is relative, or not there, is reckoned from the receipt and marked as the receipt's. A pack is taken whole or
    refused.
    """

    def __init__(self, _config: SenmlPayload) -> None:
        self._told: dict[str, Description] = {}

    def into(self, batch: Batch, message: Message) -> None:
        """Add the samples of a message to a batch, or its reject; raises nothing, whatever the payload holds."""
        samples = batch.samples
        mark, kept, told = len(samples), len(batch.rejects), len(batch.described)
        try:
            self._add(batch, message, _records(message))
        except (InvalidTime, Refused) as refusal:
            for column in (samples.addresses, samples.times, samples.values):
                del column[mark:]
            del samples.texts[mark:], samples.statuses[mark:], samples.origins[mark:]
            del batch.rejects[kept:], batch.described[told:]
            reason = refusal.reason if isinstance(refusal, Refused) else Reason.INVALID_TIME
            batch.refuse(message, reason, str(refusal))

    def _add(self, batch: Batch, message: Message, records: list[Record]) -> None:
        base: dict[str, object] = {}
        found = 0
        for place, given in enumerate(records):
            record = _checked(given, place)
            base.update((key, record[key]) for key in _BASES if key in record)
            if _number(base, "bver", _VERSION) != _VERSION:
                raise Refused(f"Record {place}: version {base['bver']} of SenML is not known; send version {_VERSION}.")
            found += self._value(batch, message, record, base, place)
        if not found:
            raise Refused("The pack holds no value; send a record with v, vs or vb.")

    def _value(self, batch: Batch, message: Message, record: Record, base: Record, place: int) -> bool:
        """Add the value and the sum of one record; tells whether it had any."""
        kinds = [key for key in _VALUES if key in record]
        if len(kinds) > 1:
            raise Refused(f"Record {place}: {' and '.join(kinds)} stand together; a record has one value.")
        kind = kinds[0] if kinds else "v" if "bv" in base and "n" in record and "s" not in record else ""
        if not kind and "s" not in record:
            return False
        address = _address(record, base, message, place)
        time, clock = _time(record, base, message, place)
        if kind == "vd":
            detail = f"Record {place} holds bytes (vd), which are no measurement; leave it out."
            batch.refuse(message, Reason.WRONG_TYPE, detail, address=address)
        elif kind:
            text = record.get("vs")
            value = float(bool(record["vb"])) if kind == "vb" else _total(base, "bv", record, "v")
            _keep(batch, address, None if kind == "vs" else value, str(text) if kind == "vs" else None)
            self._describe(batch, address, _VALUES[kind], record.get("u", base.get("bu")))
        if "s" in record:
            _keep(batch, f"{address};sum", _total(base, "bs", record, "s"), None)
        count = len(batch.samples.addresses) - len(batch.samples.times)
        batch.samples.times.extend([time] * count)
        batch.samples.origins.extend([clock] * count)
        return True

    def _describe(self, batch: Batch, address: str, kind: Kind | None, unit: object) -> None:
        """Tell the unit and kind of an address, once."""
        ucum = ucum_of(unit) if isinstance(unit, str) else None
        known = self._told.get(address)
        if known is not None and known.kind is kind and known.unit == ucum:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[address] = Description(address=address, kind=kind, unit=ucum)
        batch.described.append(self._told[address])


def _records(message: Message) -> list[Record]:
    """Parse a pack; its first byte tells JSON from CBOR."""
    payload = message.payload
    size = len(payload) + message.missing
    if size > LARGEST:
        raise Refused(f"The payload has {size} bytes; send at most {LARGEST} in a message.")
    if payload[:1] and payload[0] >= _CBOR_ARRAY:
        pack = _cbor(payload)
    else:
        pack = parsed(payload, message.missing)
        refuse_repeated_keys(payload, keys_in(pack))
    if not isinstance(pack, list):
        raise Refused("The payload is no SenML pack; send an array of records.")
    if len(pack) > MOST:
        raise Refused(f"The pack holds {len(pack)} records; send at most {MOST} in a message.")
    for place, record in enumerate(pack):
        if not isinstance(record, Mapping):
            raise Refused(f"Record {place} is no object; send an array of records.")
    return pack


def _cbor(payload: bytes) -> object:
    stream = io.BytesIO(payload)
    try:
        pack: object = cbor2.CBORDecoder(stream, max_depth=_DEEPEST, allow_duplicate_keys=False).decode()
    except Exception as error:  # noqa: BLE001 - tags are decoded by foreign constructors, which raise what they like
        raise Refused(f"Not CBOR: {error}.") from None
    if stream.tell() != len(payload):
        raise Refused(f"Not CBOR: {len(payload) - stream.tell()} bytes follow the pack; send one pack in a message.")
    if not isinstance(pack, list):
        return pack
    labelled: list[object] = []
    for place, record in enumerate(pack):
        if not isinstance(record, Mapping):
            raise Refused(f"Record {place} is no map; send an array of records.")
        labelled.append({_label(key, place): value for key, value in record.items()})
    return labelled


def _label(key: object, place: int) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return _LABELS.get(key, str(key))
    raise Refused(f"Record {place} has a label that is neither integer nor text.")


def _checked(record: Record, place: int) -> Record:
    """Check the types of a record's fields (RFC 8428, 4.3); fields that must be understood and are not, refuse it."""
    for key in record:
        if key.endswith("_"):
            raise Refused(f"Record {place}: the field {key[:60]!r} must be understood and is not; leave it out.")
    for key in _NUMBERS:
        if not _finite(record.get(key, 0)):
            raise Refused(f"Record {place}: {key} is no finite number.")
    for key in _TEXTS:
        text = record.get(key, "")
        if not isinstance(text, str) or "\0" in text:
            raise Refused(f"Record {place}: {key} is no text without NUL characters.")
    if not isinstance(record.get("vb", False), bool):
        raise Refused(f"Record {place}: vb is neither true nor false.")
    return record


def _finite(value: object) -> bool:
    match value:
        case bool():
            return False
        case int():
            return True
        case float() | Decimal():
            return math.isfinite(value)
        case _:
            return False


def _address(record: Record, base: Record, message: Message, place: int) -> str:
    """Resolve the name of a record (RFC 8428, 4.5.1)."""
    name = f"{base.get('bn', '')}{record.get('n', '')}"
    if not _NAME.fullmatch(name):
        raise Refused(
            f"Record {place}: the name {name[:60]!r} is not of letters, digits and - : . / _, beginning with a letter "
            "or digit."
        )
    address = f"{message.topic}#{name}"
    if len(address) > LONGEST_ADDRESS:
        raise Refused(f"Record {place}: the address {address[:60]!r}… is longer than {LONGEST_ADDRESS} characters.")
    return address


def _number(record: Record, key: str, default: int = 0) -> float | Decimal:
    value = record.get(key, default)
    return value if isinstance(value, (int, float, Decimal)) else default


def _total(base: Record, base_key: str, record: Record, key: str) -> float:
    """Add the base to a value; beyond a double it is infinite."""
    try:
        return float(_number(base, base_key)) + float(_number(record, key))
    except OverflowError:
        return math.inf


def _time(record: Record, base: Record, message: Message, place: int) -> tuple[Instant, int]:
    """Give the time of a record (RFC 8428, 4.5.3), and the clock that it was reckoned from."""
    seconds = Decimal(str(_number(base, "bt"))) + Decimal(str(_number(record, "t")))
    if seconds >= _RELATIVE:
        return counted(seconds, name=f"the time of record {place}", unit=TimeUnit.SECONDS), Clock.SOURCE.value
    if message.retained:
        raise InvalidTime(
            f"The broker kept this message from before and the time of record {place} is relative to now, so when it "
            "was measured is not known; send absolute times, or do not retain it."
        )
    try:
        offset = int(seconds * SECOND)
    except (ArithmeticError, ValueError):
        offset = -(2**63)
    moment = message.received_at + offset
    if moment <= 0:
        raise InvalidTime(f"The time of record {place}, {seconds} s from now, is before 1970.")
    return Instant(moment), Clock.RECEIPT.value


def _keep(batch: Batch, address: str, value: float | None, text: str | None) -> None:
    batch.samples.addresses.append(address)
    batch.samples.values.append(value)
    batch.samples.texts.append(text)
    batch.samples.statuses.append(GOOD)
