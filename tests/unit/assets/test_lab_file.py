"""A declaration is read as editors read it, and every fault is told with its line and keys."""

import pytest

from fieldlab.assets.asset_type import read_types
from fieldlab.assets.lab import Lab
from fieldlab.assets.lab_file import parse
from fieldlab.assets.resolve import resolve
from fieldlab.errors import InvalidInput

TYPES = read_types()
GOOD = """\
participants:
  lab: {name: The lab}
  sme-a: {name: A company}
sources:
  floor: {wire: mqtt, url: "mqtt://127.0.0.1"}
types:
  press:
    streams:
      force: {unit: kN, limits: {low: 0, high: 20}}
      closed: {kind: boolean}
assets:
  press-1:
    name: Press
    home_owner: lab
    type: press
    source: floor
    address: lab/{asset}/telemetry#{stream}
    leave_out: [closed]
    topics: [lab/press-1/#]
    streams:
      state: {kind: text, address: lab/press-1/state#}
bindings:
  floor:
    lab/old-press/telemetry#force: press-1.force
trials:
  tool-wear:
    participant: sme-a
    assets: [press-1]
    from: 2026-11-01T08:00:00+01:00
    until: 2026-12-01T00:00:00Z
"""


def read(text: str) -> Lab:
    return parse(text, name="lab.yaml", types=TYPES)


def told(text: str) -> str:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    return str(refused.value)


def test_types_and_templates_are_put_in() -> None:
    found = resolve(read(GOOD), TYPES).sound()
    assert {name: (one.unit, one.kind, one.high) for name, one in found.streams.items()} == {
        "press-1.force": ("kN", "number", 20),
        "press-1.state": ("1", "text", None),
    }
    assert {place: one.stream for place, one in found.bindings.items()} == {
        ("floor", "lab/press-1/telemetry#force"): "press-1.force",
        ("floor", "lab/press-1/state#"): "press-1.state",
        ("floor", "lab/old-press/telemetry#force"): "press-1.force",
    }
    (booking,) = found.bookings
    assert str(booking.start) == "2026-11-01T07:00:00.000000Z"


def test_an_asset_overrides_a_stream_of_its_type_key_by_key() -> None:
    text = GOOD.replace("      state:", "      force: {description: Ram, unit: N}\n      state:")
    force = resolve(read(text), TYPES).sound().streams["press-1.force"]
    assert (force.unit, force.description, force.high) == ("N", "Ram", 20)


def test_the_types_that_come_along_need_no_declaration() -> None:
    text = GOOD.replace("type: press", "type: mill").replace("leave_out: [closed]", "leave_out: [axis_z]")
    streams = resolve(read(text.replace("press-1.force", "press-1.power")), TYPES).sound().streams
    assert {"press-1.power", "press-1.state", "press-1.axis_x"} <= streams.keys()
    assert "press-1.axis_z" not in streams


@pytest.mark.parametrize(
    ("old", "new", "line", "keys", "said"),
    [
        (
            "home_owner: lab",
            "home_owner: labb",
            14,
            "assets.press-1.home_owner",
            "no participant 'labb' is declared; did you mean 'lab'?",
        ),
        (
            "source: floor",
            "source: flor",
            16,
            "assets.press-1.source",
            "no source 'flor' is declared; did you mean 'floor'?",
        ),
        (
            "type: press",
            "type: pres",
            15,
            "assets.press-1.type",
            "no asset type 'pres' is declared; did you mean 'press'?",
        ),
        ("leave_out: [closed]", "leave_out: [open]", 18, "assets.press-1.leave_out.0", "its type has no stream 'open'"),
        (
            "topics: [lab/press-1/#]",
            "topics: ['#']",
            19,
            "assets.press-1.topics.0",
            "What a device may publish on begins with a name",
        ),
        ("    source: floor\n", "", 16, "assets.press-1.address", "the asset names no source"),
        (
            "press-1.force",
            "press-1.forc",
            24,
            "bindings.floor.lab/old-press/telemetry#force",
            "no stream 'press-1.forc' is declared",
        ),
        ("press-1.force", "force", 24, "bindings.floor.lab/old-press/telemetry#force", "'force' names no stream"),
        (
            "lab/old-press/telemetry#force",
            "lab/press-1/state#",
            24,
            "bindings.floor.lab/press-1/state#",
            "floor lab/press-1/state# feeds press-1.state already",
        ),
        (
            "participant: sme-a",
            "participant: sme-b",
            27,
            "trials.tool-wear.participant",
            "no participant 'sme-b' is declared",
        ),
        ("assets: [press-1]", "assets: [press-2]", 28, "trials.tool-wear.assets.0", "no asset 'press-2' is declared"),
        ("08:00:00+01:00", "08:00:00", 29, "trials.tool-wear.from", "The time '2026-11-01T08:00:00' has no offset"),
        ("08:00:00+01:00", "08:00:30Z", 29, "trials.tool-wear.from", "Ownership changes on whole minutes only"),
        ("    until: 2026-12-01T00:00:00Z\n", "", 26, "trials.tool-wear", "assets or streams, from and until go"),
        ("until: 2026-12", "until: 2025-12", 26, "trials.tool-wear", "from must be before until"),
        ("name: Press", "nmae: Press", 13, "assets.press-1.nmae", "there is no such key; did you mean 'name'?"),
        ("    name: Press\n", "", 12, "assets.press-1.name", "is missing"),
        ("high: 20", "high: -1", 9, "types.press.streams.force.limits", "low is above high"),
        (
            "closed: {kind: boolean}",
            "closed: {address: x}",
            10,
            "types.press.streams.closed.address",
            "a type is for many machines",
        ),
        ("name: The lab", 'name: "\\0"', 2, "participants.lab.name", "A text has no NUL character"),
    ],
)
def test_a_fault_is_told_with_its_line_and_keys(old: str, new: str, line: int, keys: str, said: str) -> None:
    assert old in GOOD
    assert f"lab.yaml:{line}: {keys}: {said}" in told(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: kN", "unit: kN, unit: N", "lab.yaml:9: is not YAML: 'unit' stands twice, first in line 9"),
        ("participants:", "participants: [", "lab.yaml:3: is not YAML: expected ',' or ']'"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(old: str, new: str, said: str) -> None:
    assert said in told(GOOD.replace(old, new))


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = told(
        GOOD.replace("home_owner: lab", "home_owner: x").replace("sme-a\n", "y\n").replace("type: press", "type: z")
    )
    assert [line.split(":")[1] for line in lines.splitlines()[1:4]] == ["14", "15", "24"]


def test_two_bookings_of_one_machine_at_once_are_refused() -> None:
    other = GOOD.partition("trials:\n")[2].replace("tool-wear", "another").replace("08:00:00+01:00", "09:00:00Z")
    assert "trials.another: press-1 is booked by tool-wear from 2026-11-01T07:00:00.000000Z" in told(GOOD + other)


@pytest.mark.parametrize("word", ["on", "no", "off", "y", "1:30", "2026-11-21", "0o17", "1_000"])
def test_words_are_words(word: str) -> None:
    assert read(f"participants: {{a: {{name: {word}}}}}").participants["a"].name == word


def test_a_unit_of_one_needs_no_quotes() -> None:
    lab = read(GOOD.replace("unit: kN", "unit: 1"))
    assert lab.types["press"].streams["force"].unit == "1"


def test_an_empty_file_declares_nothing() -> None:
    assert read("# nothing yet\n") == Lab()
