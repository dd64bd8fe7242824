"""Sparkplug B payloads (specification 3.0, 6.4) as values; templates are taken apart into their members."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from connectors.mqtt.sparkplug.data_type import DataType, value_of
from connectors.mqtt.sparkplug.schema import Fields, empty_payload

REBIRTH: Final = "Node Control/Rebirth"
"""The metric by which a host application asks an edge node for its births (6.4.19, 5.16)."""

_DEEPEST: Final = 8
_WORDS: Final = {
    "unit": ("engUnit", "engineeringUnit", "unit", "units", "Engineering Units"),
    "text": ("documentation", "description", "Documentation", "Description", "desc", "tooltip"),
    "quantity": ("quantity", "quantityKind", "Quantity"),
    "semantic_id": ("semanticId", "semantic_id", "IRDI", "irdi", "Semantic ID"),
}
_BOUNDS: Final = {
    "low": ("engLow", "Engineering Low", "EngLow", "eng_low"),
    "high": ("engHigh", "Engineering High", "EngHigh", "eng_high"),
}
"""The names in use for what a property says of its metric; the specification names none (6.4.14)."""


class Said(NamedTuple):
    """What the properties of a metric say of it; `unit` as it came."""

    unit: str | None = None
    text: str | None = None
    quantity: str | None = None
    semantic_id: str | None = None
    low: float | None = None
    high: float | None = None


NOTHING: Final = Said()


class Metric(NamedTuple):
    """One metric as it came: `time` is in ms from 1970, `raw` as protobuf gave it; None for what is not there."""

    name: str | None
    alias: int | None
    time: int | None
    data_type: int | None
    historical: bool
    transient: bool
    null: bool
    raw: object
    said: Said
    quality: int | None


class Payload(NamedTuple):
    """A payload as it came; `time` is in ms from 1970."""

    time: int | None
    seq: int | None
    metrics: list[Metric]


def read(data: bytes) -> Payload:
    """Read a payload; raises ValueError for what is none."""
    message = empty_payload()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise ValueError("the payload is no Sparkplug B protobuf") from None
    metrics: list[Metric] = []
    for metric in message.metrics:
        metrics.extend(_metrics(metric, "", 0))
    return Payload(
        message.timestamp if message.HasField("timestamp") else None,
        message.seq if message.HasField("seq") else None,
        metrics,
    )


def rebirth_request(time: int) -> bytes:
    """Write the NCMD payload that asks an edge node for its births; `time` is in ms from 1970."""
    message = empty_payload()
    message.timestamp = time
    metric = message.metrics.add()
    metric.name = REBIRTH
    metric.timestamp = time
    metric.datatype = DataType.BOOLEAN
    metric.boolean_value = True
    data: bytes = message.SerializeToString()
    return data


def _metrics(metric: Fields, prefix: str, depth: int) -> Iterator[Metric]:
    """Give a metric, or the members of one that is a template, named `<template>/<member>`."""
    if depth > _DEEPEST:
        raise ValueError(f"templates are nested deeper than {_DEEPEST} levels")
    which = metric.WhichOneof("value")
    name = f"{prefix}{metric.name}" if metric.HasField("name") else None
    if which == "template_value" and name is not None:
        if not metric.template_value.is_definition:
            for member in metric.template_value.metrics:
                yield from _metrics(member, f"{name}/", depth + 1)
        return
    said, quality = _properties(metric.properties) if metric.HasField("properties") else (NOTHING, None)
    yield Metric(
        name,
        metric.alias if metric.HasField("alias") else None,
        metric.timestamp if metric.HasField("timestamp") else None,
        metric.datatype if metric.HasField("datatype") else None,
        metric.is_historical,
        metric.is_transient,
        metric.is_null,
        None if which is None else getattr(metric, which),
        said,
        quality,
    )


def _properties(properties: Fields) -> tuple[Said, int | None]:
    """Find what is said of the metric, by the names in use for it, and the quality (6.4.17)."""
    values = dict(zip(properties.keys, properties.values, strict=False))
    quality = values["Quality"].int_value if "Quality" in values else None
    if len(values) == ("Quality" in values):
        return NOTHING, quality
    words = {
        name: next((values[key].string_value for key in keys if key in values and values[key].string_value), None)
        for name, keys in _WORDS.items()
    }
    ends = {name: next((_number(values[key]) for key in keys if key in values), None) for name, keys in _BOUNDS.items()}
    return Said(low=ends["low"], high=ends["high"], **words), quality


def _number(value: Fields) -> float | None:
    """Give a property's number as its type has it, None for another value."""
    which = value.WhichOneof("value")
    if value.is_null or which in {None, "string_value", "boolean_value"}:
        return None
    try:
        number = value_of(getattr(value, which), value.type)
    except ValueError:
        return None
    return float(number) if isinstance(number, int | float) else None
