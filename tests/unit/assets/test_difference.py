"""What is the same, what differs, and what may not."""

import pytest
from hypothesis import given, settings

from fieldlab.assets.difference import Mark, difference, same
from fieldlab.assets.inventory import Inventory
from fieldlab.assets.lab import Lab
from fieldlab.assets.resolve import resolve
from fieldlab.errors import Conflict
from tests.unit.assets.labs import labs


@settings(max_examples=50)
@given(labs())
def test_everything_is_added_to_nothing_and_kept_when_nothing_is_declared(lab: Lab) -> None:
    there = resolve(lab, {}).sound()
    added, kept = difference(Inventory(), there), difference(there, Inventory())
    assert {change.mark for change in added} <= {Mark.ADDED}
    assert {change.mark for change in kept} <= {Mark.KEPT}
    assert [(one.kind, one.name) for one in added] == [(one.kind, one.name) for one in kept]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (7, 7.0, True),
        (1, True, False),
        (0, False, False),
        ([1], (1,), True),
        ({"a": 1}, {"a": True}, False),
        ("1", 1, False),
        (2.752489606718599e16, 27524896067185990, True),
        (1e308, 10**400, False),
    ],
)
def test_values_are_compared_as_json_does(one: object, other: object, expected: bool) -> None:
    assert same(one, other) is same(other, one) is expected


def test_every_refusal_is_named() -> None:
    def lab(unit: str, owner: str, wire: str) -> Inventory:
        asset = {"name": "M", "home_owner": owner, "streams": {"x": {"unit": unit}}}
        people = {"a": {"name": "A"}, "b": {"name": "B"}}
        declared = {"participants": people, "sources": {"s": {"wire": wire, "url": "u"}}, "assets": {"m": asset}}
        return resolve(Lab.model_validate(declared), {}).sound()

    with pytest.raises(Conflict) as refused:
        difference(lab("A", "a", "mqtt"), lab("mA", "b", "opcua"))
    for said in ("source s: wire is mqtt", "asset m: home_owner is a and cannot become b", "stream m.x: unit is A"):
        assert said in str(refused.value)
