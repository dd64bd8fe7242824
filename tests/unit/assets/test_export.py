"""A lab that is written down and read again is the same lab."""

from hypothesis import given, settings

from fieldlab.assets.asset_type import read_types
from fieldlab.assets.difference import difference
from fieldlab.assets.export import declaration
from fieldlab.assets.inventory import Booking, Inventory
from fieldlab.assets.lab import Lab
from fieldlab.assets.lab_file import parse, text_of
from fieldlab.assets.resolve import resolve
from fieldlab.readings.instant import Instant
from tests.unit.assets.labs import labs

DAY = 86_400_000_000
MILL = """
participants: {a: {name: A}}
sources: {floor: {wire: mqtt, url: "mqtt://h"}}
assets: {mill-1: {name: M, home_owner: a, type: mill, source: floor, address: "lab/{asset}/t#{stream}"}}
"""


def inventory(lab: Lab) -> Inventory:
    return resolve(lab, {}).sound()


@settings(max_examples=50)
@given(labs())
def test_a_declaration_that_is_written_reads_back_the_same(lab: Lab) -> None:
    assert parse(text_of(lab), name="lab.yaml", types={}) == lab


@settings(max_examples=50)
@given(labs())
def test_a_lab_that_is_exported_declares_what_there_was(lab: Lab) -> None:
    present = inventory(lab)
    again = inventory(parse(text_of(declaration(present)), name="lab.yaml", types={}))
    assert difference(present, again) == ()
    assert difference(again, present) == ()
    assert sorted(again.bookings) == sorted(present.bookings)


def test_addresses_of_one_pattern_are_written_as_a_template() -> None:
    types = read_types()
    lab = parse(MILL, name="lab.yaml", types=types)
    written = declaration(resolve(lab, types).sound())
    assert written.assets["mill-1"].address == "lab/{asset}/t#{stream}"
    assert "address" not in text_of(written).partition("streams:")[2]


def test_a_trial_of_one_time_is_written_without_a_list_of_bookings() -> None:
    lab = Lab.model_validate({"participants": {"a": {"name": "A"}}, "trials": {"t": {"participant": "a"}}})
    two = tuple(Booking(trial="t", asset=asset, start=Instant(0), until=Instant(DAY)) for asset in ("x", "y"))
    trials = inventory(lab).trials
    assert declaration(Inventory(trials=trials, bookings=two)).trials["t"].assets == ("x", "y")
    later = Booking(trial="t", asset="x", start=Instant(2 * DAY), until=Instant(3 * DAY))
    assert len(declaration(Inventory(trials=trials, bookings=(*two, later))).trials["t"].bookings) == 2
