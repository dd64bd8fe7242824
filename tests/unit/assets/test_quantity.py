"""A unit tells what is measured where it can measure one thing only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.assets.quantity import quantity_of


@pytest.mark.parametrize(
    ("unit", "quantity"),
    [
        ("Cel", "temperature"),
        ("[degF]", "temperature"),
        ("mK", "temperature"),
        ("kW", "power"),
        ("kW.h", "energy"),
        ("J", "energy"),
        ("N.m", "torque"),
        ("V.A", "apparent power"),
        ("var", "reactive power"),
        ("mV", "voltage"),
        ("mA", "electric current"),
        ("um", "length"),
        ("mm2", "area"),
        ("m/s", "speed"),
        ("mm/min", "speed"),
        ("m/s2", "acceleration"),
        ("L/min", "volume flow"),
        ("m3/h", "volume flow"),
        ("kg/m3", "density"),
        ("bar", "pressure"),
        ("[psi]", "pressure"),
        ("hPa", "pressure"),
        ("min", "time"),
        ("Hz", "frequency"),
        ("deg", "angle"),
        ("Ohm", "electric resistance"),
    ],
)
def test_a_unit_tells_its_quantity(unit: str, quantity: str) -> None:
    assert quantity_of(unit) == quantity


@pytest.mark.parametrize("unit", ["1", "%", "/min", "/s", "[ppm]", "", "furlong", "mCel", "kmin", "m..s", ".m", "m s"])
def test_a_unit_that_may_measure_several_things_or_none_tells_nothing(unit: str) -> None:
    assert quantity_of(unit) is None


@given(st.text(max_size=60))
def test_any_text_is_a_unit_or_not(text: str) -> None:
    assert quantity_of(text) is None or text.isprintable()
