"""Turns the values of a notification into samples and rejects; pure, knows no library of the wire."""

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from connectors.opcua.structure import Structure
from connectors.opcua.value import Code, Word
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from fieldlab.readings.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD, signed, stored

MOST: Final = 10_000
"""Elements of the largest array that is taken."""
RAW_KEPT: Final = 65_536

_OVERFLOW: Final = 0x480
"""InfoType DataValue with the overflow bit (OPC 10000-4, 7.39.1)."""
_BAD: Final = 0x8000_0000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME: Final = (datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_DATA: Final = signed(BAD_NO_DATA)
_OUT_OF_RANGE: Final = signed(BAD_OUT_OF_RANGE)


class Reading(NamedTuple):
    """One DataValue of a node (OPC 10000-4, 7.11): a Python value or nested lists of them, code and times."""

    address: str
    value: object
    status: int
    source_time: datetime | None
    server_time: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """What a notification held; `last` is the time of the latest reading of each node in it."""

    samples: Samples = field(default_factory=Samples)
    rejects: list[Reject] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    last: dict[str, Instant] = field(default_factory=dict)


def decode(
    readings: Iterable[Reading], received_at: Instant, *, last: Mapping[str, Instant], since: Instant
) -> Decoded:
    """Turn readings into samples: source time, else server time, else receipt; it raises nothing.

    Arrays become one sample an element at `<node>#<place>`, structures one a field at `<node>#<field>`, and so on
    inwards as in `#2.Torque`. A value of a kind that is no measurement is a reject; one that is missing, infinite or no
    number is a sample with a bad status. Where the server says that it dropped values,
    there is a gap from the reading before: the latest of its node in this notification, else in `last`, else `since`.
    """
    decoded = Decoded()
    samples, latest = decoded.samples, decoded.last
    addresses, times, values, texts = samples.addresses, samples.times, samples.values, samples.texts
    statuses, origins = samples.statuses, samples.origins
    stamp: datetime | None = None
    time, clock = received_at, Clock.RECEIPT.value
    for place, reading in enumerate(readings):
        address, value, code, source_time, server_time = reading
        if source_time is None or source_time != stamp:  # values of one moment are many, and reading a time is slow
            time, clock = _stamped(source_time, server_time, Instant(received_at + place))
            stamp = source_time if clock == Clock.SOURCE else None
        if isinstance(value, (float, int)) and math.isfinite(value):
            addresses.append(address)
            times.append(time)
            values.append(float(value))
            texts.append(None)
            statuses.append(stored(code) if code else GOOD)
            origins.append(clock)
            count = 1
        else:
            count = len(addresses)
            _take(decoded, reading, value, address, time, received_at)
            count = len(addresses) - count
            times.extend([time] * count)
            origins.extend([clock] * count)
        if code & _OVERFLOW == _OVERFLOW:
            before = latest.get(address) or last.get(address) or since
            decoded.gaps.append(dropped(tuple(addresses[len(addresses) - count :]) or (address,), before, time))
        latest[address] = time
    return decoded


def _take(decoded: Decoded, reading: Reading, value: object, address: str, time: Instant, received_at: Instant) -> None:
    """Add a value that is not a plain number: a missing one, a text, an array, or a reject."""
    samples, status = decoded.samples, stored(reading.status)
    good = reading.status & _BAD == 0
    match value:
        case None:
            _keep(samples, address, None, None, _NO_DATA if good else status)
        case float() | int() if math.isfinite(value):
            _keep(samples, address, float(value), None, status)
        case float():
            _keep(samples, address, value, None, _OUT_OF_RANGE if good else status)
        case list() if len(value) > MOST:
            _refuse(decoded, reading, f"The array has more than {MOST} elements.", address, time, received_at)
        case list() | Structure():
            join = "." if address != reading.address else "#"
            for name, element in value.fields if isinstance(value, Structure) else enumerate(value):
                _take(decoded, reading, element, f"{address}{join}{name}", time, received_at)
        case Code(value=number):
            _keep(samples, address, float(number), None, status)
        case _:
            text = _text(value)
            if text is None:
                detail = f"A value of type {type(value).__name__} is no number and no text; bind its parts instead."
                _refuse(decoded, reading, detail, address, time, received_at)
            elif "\0" in text:
                detail = "The text holds a NUL character, which cannot be stored; have the server send it without."
                _refuse(decoded, reading, detail, address, time, received_at)
            else:
                _keep(samples, address, None, text, status)


def dropped(addresses: tuple[str, ...], before: Instant, time: Instant) -> Gap:
    """Tell that the server dropped values of a node between two of them."""
    start = min(before, time)
    until = max(time, Instant(start + 1))
    return Gap(start=start, until=until, cause=Cause.QUEUE_OVERFLOW, addresses=addresses)


def _keep(samples: Samples, address: str, value: float | None, text: str | None, status: int) -> None:
    samples.addresses.append(address)
    samples.values.append(value)
    samples.texts.append(text)
    samples.statuses.append(status)


def _text(value: object) -> str | None:
    """Give the text of what OPC UA writes as one; None for what has none."""
    match value:
        case str():
            return value
        case datetime():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case Word():
            return str(value)
        case _:
            return None


def _stamped(source: datetime | None, server: datetime | None, receipt: Instant) -> tuple[Instant, int]:
    """Choose the time of a reading and the clock that gave it."""
    if source is not None and _NO_TIME[0] < source < _NO_TIME[1]:
        return Instant((source - _EPOCH) // _MICROSECOND), Clock.SOURCE.value
    if server is not None and _NO_TIME[0] < server < _NO_TIME[1]:
        return Instant((server - _EPOCH) // _MICROSECOND), Clock.SERVER.value
    return receipt, Clock.RECEIPT.value


def _refuse(decoded: Decoded, reading: Reading, detail: str, address: str, time: Instant, received_at: Instant) -> None:
    raw = repr(reading.value).encode("utf-8", "backslashreplace")[:RAW_KEPT]
    decoded.rejects.append(
        Reject(reason=Reason.WRONG_TYPE, detail=detail, raw=raw, received_at=received_at, address=address, time=time)
    )
