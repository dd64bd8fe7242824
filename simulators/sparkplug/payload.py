"""Sparkplug B payloads (specification 3.0, chapter 6): births that name and describe, data that only carry aliases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from simulators.columns import Value
from simulators.signals import Kind, Signal
from simulators.sparkplug import protobuf

REBIRTH = "Node Control/Rebirth"
_REBIRTH_ALIAS = 0
_METRICS = 2


class DataType(IntEnum):
    """The data types that simulators use (6.4.16)."""

    INT64 = 4
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric of a payload. `name` and `properties` belong into births, `time_ms` is when it was measured."""

    data_type: DataType
    value: Value
    time_ms: int
    name: str | None = None
    alias: int | None = None
    historical: bool = False
    signal: Signal | None = None

    def at(self, time_ms: int) -> "Metric":
        """Give the same, measured at another time."""
        return replace(self, time_ms=time_ms)

    def encoded(self) -> bytes:
        """Give the Metric message."""
        out = b""
        if self.name is not None:
            out += protobuf.text(1, self.name)
        if self.alias is not None:
            out += protobuf.number(2, self.alias)
        out += protobuf.number(3, self.time_ms) + protobuf.number(4, self.data_type)
        if self.historical:
            out += protobuf.number(5, 1)
        if self.signal is not None and (properties := _properties(self.signal)):
            out += protobuf.data(9, properties)
        match self.data_type:
            case DataType.INT64 | DataType.UINT64:
                return out + protobuf.number(11, int(self.value))
            case DataType.DOUBLE:
                return out + protobuf.double(13, float(self.value))
            case DataType.BOOLEAN:
                return out + protobuf.number(14, int(bool(self.value)))
            case DataType.STRING:
                return out + protobuf.text(15, str(self.value))


def payload(metrics: Iterable[Metric], *, time_ms: int | None, seq: int | None) -> bytes:
    """Give a Payload message; a death has neither time nor sequence number."""
    out = b"" if time_ms is None else protobuf.number(1, time_ms)
    out += b"".join(protobuf.data(2, metric.encoded()) for metric in metrics)
    return out if seq is None else out + protobuf.number(3, seq)


def birth_death(number: int, time_ms: int) -> Metric:
    """Give the metric `bdSeq` that ties a birth to its death."""
    return Metric(name="bdSeq", data_type=DataType.INT64, value=number, time_ms=time_ms)


def rebirth_control(time_ms: int) -> Metric:
    """Give the metric by which a host application asks for births."""
    return Metric(name=REBIRTH, alias=_REBIRTH_ALIAS, data_type=DataType.BOOLEAN, value=False, time_ms=time_ms)


def metrics_of(signals: Sequence[Signal], values: Sequence[Value], first_alias: int, time_ms: int) -> list[Metric]:
    """Give the metrics of a device's birth: aliases count on from `first_alias` in the order of the signals."""
    return [
        Metric(
            name=signal.name,
            alias=first_alias + index,
            data_type=data_type_of(signal),
            value=value,
            time_ms=time_ms,
            signal=signal,
        )
        for index, (signal, value) in enumerate(zip(signals, values, strict=True))
    ]


def data_type_of(signal: Signal) -> DataType:
    """Give the data type that carries a signal."""
    match signal.kind:
        case Kind.TEXT:
            return DataType.STRING
        case Kind.BOOLEAN:
            return DataType.BOOLEAN
        case Kind.NUMBER:
            return DataType.INT64 if signal.whole else DataType.DOUBLE


def asks_for_rebirth(command: bytes) -> bool:
    """Tell whether a command (NCMD) asks for births; what is no Sparkplug payload asks for nothing."""
    try:
        return any(_is_rebirth(value) for field, value in protobuf.fields(command) if field == _METRICS)
    except protobuf.NotProtobufError:
        return False


def _is_rebirth(metric: int | bytes) -> bool:
    if not isinstance(metric, bytes):
        return False
    found = dict(protobuf.fields(metric))
    named = found.get(1) == REBIRTH.encode() or (1 not in found and found.get(2) == _REBIRTH_ALIAS)
    return named and found.get(14) == 1


def _properties(signal: Signal) -> bytes:
    """Give the PropertySet of a metric: its unit and range, under the names that hosts look for."""
    keys, values = b"", b""
    for name, number in (("engLow", signal.low), ("engHigh", signal.high)):
        if number is not None:
            keys += protobuf.text(1, name)
            values += protobuf.data(2, protobuf.number(1, DataType.DOUBLE) + protobuf.double(6, number))
    if signal.unit:
        keys += protobuf.text(1, "engUnit")
        values += protobuf.data(2, protobuf.number(1, DataType.STRING) + protobuf.text(8, signal.unit))
    return keys + values
