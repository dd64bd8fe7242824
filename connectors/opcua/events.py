"""Turns events and alarms (OPC 10000-5, 6.4; OPC 10000-9) into samples at addresses of their own; pure.

What happens at `nsu=urn:maker;s=Mill` stands at `nsu=urn:maker;s=Mill#!Overheated.Message`, `….Severity`, and, for a
condition, `….Active`, `….Acked`, `….Confirmed` and `….Retain`: the name is the condition's, or else the event type's.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final

from connectors.opcua.notification import Event
from connectors.opcua.value import NodeKey, Word
from fieldlab.assets.asset import Kind
from fieldlab.assets.description import Description
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.samples import Samples
from fieldlab.readings.status import GOOD

BASE_EVENT, CONDITION, ACKNOWLEDGEABLE, ALARM = 2041, 2782, 2881, 2915
REFRESH_REQUIRED: Final = NodeKey(0, 2789)
_REFRESH: Final = frozenset({NodeKey(0, 2787), NodeKey(0, 2788), REFRESH_REQUIRED})
_OVERFLOW: Final = NodeKey(0, 3035)
_UNNAMED: Final = "Event"
_LONGEST: Final = 10_000
"""Letters of a message that are kept."""


class Place(IntEnum):
    """Where each field of an event stands, in the order of `CLAUSES`."""

    TYPE = 0
    SOURCE = 1
    TIME = 2
    MESSAGE = 3
    SEVERITY = 4
    CONDITION = 5
    BRANCH = 6
    RETAIN = 7
    ACKED = 8
    CONFIRMED = 9
    ACTIVE = 10


CLAUSES: Final[Sequence[tuple[int, tuple[str, ...]]]] = (
    (BASE_EVENT, ("EventType",)),
    (BASE_EVENT, ("SourceNode",)),
    (BASE_EVENT, ("Time",)),
    (BASE_EVENT, ("Message",)),
    (BASE_EVENT, ("Severity",)),
    (CONDITION, ("ConditionName",)),
    (CONDITION, ("BranchId",)),
    (CONDITION, ("Retain",)),
    (ACKNOWLEDGEABLE, ("AckedState", "Id")),
    (ACKNOWLEDGEABLE, ("ConfirmedState", "Id")),
    (ALARM, ("ActiveState", "Id")),
)
"""What is selected of each event: the type that declares a field, and the way to it (OPC 10000-4, 7.22.3)."""

_STATES: Final = {Place.ACTIVE: "Active", Place.ACKED: "Acked", Place.CONFIRMED: "Confirmed", Place.RETAIN: "Retain"}


@dataclass(kw_only=True, slots=True)
class Happened:
    """What events tell: samples, where they are new; `overflowed` and `refresh` what the server asks for."""

    samples: Samples = field(default_factory=Samples)
    described: list[Description] = field(default_factory=list)
    overflowed: bool = False
    refresh: bool = False


def types_of(events: Iterable[Event]) -> set[NodeKey]:
    """Give the types of events, whose names have to be known."""
    return {kind for event in events if isinstance(kind := _field(event, Place.TYPE), NodeKey)}


def happened(
    events: Iterable[Event],
    received_at: Instant,
    *,
    names: Mapping[NodeKey, str],
    address_of: Callable[[NodeKey | None, int], str],
    wanted: frozenset[str] | None,
) -> Happened:
    """Turn events into samples at `wanted` addresses, None for all.

    `address_of` names an event's source, and the notifier of this handle for an event that has none. Two events of one
    moment at one address are told apart by a microsecond.
    """
    found = Happened()
    taken: set[tuple[str, int]] = set()
    for event in events:
        kind = _field(event, Place.TYPE)
        found.overflowed |= kind == _OVERFLOW
        found.refresh |= kind == REFRESH_REQUIRED
        branch = _field(event, Place.BRANCH)
        if kind in _REFRESH or kind == _OVERFLOW or (isinstance(branch, NodeKey) and branch != NodeKey(0, 0)):
            continue
        source = _field(event, Place.SOURCE)
        where = address_of(source if isinstance(source, NodeKey) and source != NodeKey(0, 0) else None, event.handle)
        condition = _field(event, Place.CONDITION)
        typed = names.get(kind, _UNNAMED) if isinstance(kind, NodeKey) else _UNNAMED
        name = condition if isinstance(condition, str) and condition else typed
        time, clock = _time(event, received_at)
        for part, value in _parts(event):
            address = f"{where}#!{_written(name)}.{part}"
            if wanted is not None and address not in wanted:
                continue
            moment = time
            while (address, moment) in taken:
                moment = Instant(moment + 1)
            taken.add((address, moment))
            _add(found, address, moment, clock, value)
    return found


def _field(event: Event, place: Place) -> object:
    return event.fields[place] if place < len(event.fields) else None


def _parts(event: Event) -> Iterable[tuple[str, float | str]]:
    message, severity = _field(event, Place.MESSAGE), _field(event, Place.SEVERITY)
    if isinstance(message, (Word, str)):
        yield "Message", str(message).replace("\0", "")[:_LONGEST]
    if isinstance(severity, (int, float)):
        yield "Severity", float(severity)
    for place, name in _STATES.items():
        state = _field(event, place)
        if isinstance(state, bool):
            yield name, state


def _time(event: Event, received_at: Instant) -> tuple[Instant, Clock]:
    moment = _field(event, Place.TIME)
    return (Instant.of(moment), Clock.SOURCE) if isinstance(moment, datetime) else (received_at, Clock.RECEIPT)


def _add(found: Happened, address: str, time: Instant, clock: Clock, value: float | str) -> None:
    samples = found.samples
    samples.addresses.append(address)
    samples.times.append(time)
    samples.values.append(None if isinstance(value, str) else float(value))
    samples.texts.append(value if isinstance(value, str) else None)
    samples.statuses.append(GOOD)
    samples.origins.append(clock.value)
    kind = Kind.TEXT if isinstance(value, str) else Kind.BOOLEAN if isinstance(value, bool) else Kind.NUMBER
    found.described.append(Description(address=address, kind=kind, unit=None if kind is Kind.TEXT else "1"))


def _written(name: str) -> str:
    """Write a name so that it stays one: what ends an address, or begins an escape, is escaped."""
    name = re.sub(r"%(?=23|25|3B)", "%25", name, flags=re.IGNORECASE)
    return name.replace("#", "%23").replace(";", "%3B")
