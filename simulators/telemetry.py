"""What a machine says in JSON: an object for each tick, with its time and every signal by name."""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from simulators.columns import Value
from simulators.machine import Machine
from simulators.schedule import moment
from simulators.truth import Truth, wrong_at


def topic_of(machine: Machine) -> str:
    """Give the topic that a machine publishes on."""
    return f"lab/{machine.asset}/telemetry"


def truth_topic_of(machine: Machine) -> str:
    """Give the topic on which the truth about a machine is published."""
    return f"lab/{machine.asset}/truth"


@lru_cache(maxsize=1024)
def time_text(time_us: int) -> str:
    """Give a time as RFC 3339 in UTC with six decimals, as in `2026-11-21T08:00:00.000000Z`."""
    return moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def payload_of(machine: Machine, time: str, values: Sequence[Value]) -> bytes:
    """Give the UTF-8 JSON object for one tick of a machine; `values` are in the order of its signals."""
    names = (signal.name for signal in machine.signals)
    return orjson.dumps({"time": time, **dict(zip(names, values, strict=True))})


def series_of(machine: Machine, ticks: Sequence[tuple[int, Sequence[Value]]]) -> bytes:
    """Give the UTF-8 JSON array of the objects for several ticks (times in microseconds), as sent to catch up."""
    names = [signal.name for signal in machine.signals]
    return orjson.dumps([{"time": time_text(at), **dict(zip(names, values, strict=True))} for at, values in ticks])


def truth_payload(time_us: int, truth: Sequence[Truth]) -> bytes:
    """Give the JSON object that says what is wrong at this time: the faults joined by `+`, or `none`."""
    return orjson.dumps({"time": time_text(time_us), "fault": wrong_at(truth, time_us)})
