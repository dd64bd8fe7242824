"""What a machine says in JSON: one object a tick, with its time and every signal by name."""

import json
from collections.abc import Sequence

from simulators.columns import Value
from simulators.machine import Machine
from simulators.schedule import moment

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def topic_of(machine: Machine) -> str:
    """Give the topic that a machine publishes on."""
    return f"lab/{machine.asset}/telemetry"


def time_text(time_us: int) -> str:
    """Give a time as RFC 3339 in UTC with six decimals, as in `2026-11-21T08:00:00.000000Z`."""
    return moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def payload_of(machine: Machine, time: str, values: Sequence[Value]) -> bytes:
    """Give the UTF-8 JSON object for one tick of a machine; `values` are in the order of its signals."""
    names = (signal.name for signal in machine.signals)
    return _encode({"time": time, **dict(zip(names, values, strict=True))}).encode()
