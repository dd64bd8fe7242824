"""Events and alarms become samples at addresses of their own: who, what, how bad, and whether it still holds."""

from datetime import UTC, datetime

from connectors.opcua.events import CLAUSES, Happened, Place, happened
from connectors.opcua.notification import Event
from connectors.opcua.value import NodeKey, Word
from fieldlab.assets.asset import Kind
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock

NOW = Instant.parse("2026-11-21T08:00:00Z")
TIME = datetime(2026, 11, 21, 7, 59, tzinfo=UTC)
MILL, DOOR = NodeKey(2, "Mill"), NodeKey(2, 7)
HOT = "nsu=urn:m;s=Mill#!Overheated"


def event(kind: NodeKey = DOOR, **places: object) -> Event:
    fields: list[object] = [None] * len(CLAUSES)
    for name, value in {"SOURCE": MILL, "TIME": TIME, "TYPE": kind, **places}.items():
        fields[Place[name]] = value
    return Event(1, fields)


def told(*events: Event, wanted: frozenset[str] | None = None) -> Happened:
    return happened(
        events, NOW, names={DOOR: "DoorOpened"}, wanted=wanted,
        address_of=lambda source, _: "i=2253" if source is None else f"nsu=urn:m;s={source.identifier!s}",
    )  # fmt: skip


def test_every_field_has_its_place() -> None:
    assert len(CLAUSES) == len(Place)


def test_an_event_tells_its_message_and_severity_under_the_name_of_its_type() -> None:
    found = told(event(MESSAGE=Word("Open"), SEVERITY=500))
    base = "nsu=urn:m;s=Mill#!DoorOpened"
    assert found.samples.addresses == [f"{base}.Message", f"{base}.Severity"]
    assert found.samples.texts == ["Open", None]
    assert found.samples.values == [None, 500.0]
    assert found.samples.times == [Instant.of(TIME)] * 2
    assert [one.kind for one in found.described] == [Kind.TEXT, Kind.NUMBER]


def test_an_alarm_tells_its_states_under_the_name_of_its_condition() -> None:
    found = told(event(CONDITION="Overheated", ACTIVE=True, ACKED=False, CONFIRMED=False, RETAIN=True, SEVERITY=900))
    states = dict(zip(found.samples.addresses, found.samples.values, strict=True))
    assert states == {
        f"{HOT}.Severity": 900.0, f"{HOT}.Active": 1.0, f"{HOT}.Acked": 0.0, f"{HOT}.Confirmed": 0.0,
        f"{HOT}.Retain": 1.0,
    }  # fmt: skip
    assert {one.kind for one in found.described} == {Kind.NUMBER, Kind.BOOLEAN}


def test_two_events_of_one_moment_are_two_samples() -> None:
    found = told(event(SEVERITY=1), event(SEVERITY=2))
    assert found.samples.times == [Instant.of(TIME), Instant.of(TIME) + 1]


def test_only_what_is_wanted_is_taken() -> None:
    wanted = frozenset({"nsu=urn:m;s=Mill#!DoorOpened.Severity"})
    assert told(event(MESSAGE=Word("Open"), SEVERITY=1), wanted=wanted).samples.values == [1.0]


def test_an_event_without_source_or_time_stands_at_its_notifier_at_its_receipt() -> None:
    samples = told(event(SOURCE=None, TIME=None, SEVERITY=1)).samples
    assert samples.addresses == ["i=2253#!DoorOpened.Severity"]
    assert (samples.times, samples.origins) == ([NOW], [Clock.RECEIPT])


def test_a_full_queue_and_a_refresh_are_no_events() -> None:
    found = told(event(NodeKey(0, 3035), SEVERITY=1), event(NodeKey(0, 2787)), event(NodeKey(0, 2789), SEVERITY=1))
    assert found.samples.addresses == []
    assert found.overflowed
    assert found.refresh


def test_an_earlier_state_of_a_condition_is_left_out() -> None:
    assert told(event(CONDITION="Overheated", BRANCH=NodeKey(2, 99), ACTIVE=True)).samples.addresses == []


def test_a_name_stays_one_in_an_address() -> None:
    found = told(event(CONDITION="Too#hot;100%", ACTIVE=True))
    assert found.samples.addresses == ["nsu=urn:m;s=Mill#!Too%23hot%3B100%.Active"]
