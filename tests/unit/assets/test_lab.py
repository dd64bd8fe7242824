"""A declaration says what is wrong in it, and where."""

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from fieldlab.assets.lab import Lab
from fieldlab.assets.name import split_reference
from fieldlab.assets.resolve import resolve

GOOD: dict[str, Any] = {
    "participants": {"lab": {"name": "Lab", "role": "operator"}},
    "sources": {"broker": {"wire": "mqtt", "url": "mqtt://localhost"}},
    "assets": {
        "mill-1": {
            "name": "Mill",
            "home_owner": "lab",
            "source": "broker",
            "streams": {"current": {"unit": "A", "address": "mill/current"}, "state": {"kind": "text"}},
        }
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    """Give the good declaration with one thing set."""
    lab = deepcopy(GOOD)
    *parents, last = path.split("/")
    at = lab
    for parent in parents:
        at = at[parent]
    at[last] = value
    return lab


def test_a_good_declaration_is_read() -> None:
    lab = Lab.model_validate(GOOD)
    assert lab.assets["mill-1"].streams["current"].unit == "A"
    assert Lab.model_validate({}) == Lab()


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        ("assets/Mill 1", {"name": "x", "home_owner": "lab"}, "assets.Mill 1", "pattern"),
        ("assets/-mill", {"name": "x", "home_owner": "lab"}, "assets.-mill", "pattern"),
        ("assets/mill-1/streams/9lives", {}, "streams.9lives", "pattern"),
        ("assets/mill-1/streams/current/kind", "colour", "streams.current.kind", "number"),
        ("assets/mill-1/streams/current/unit", "", "streams.current.unit", "at least 1"),
        ("assets/mill-1/colour", "red", "assets.mill-1.colour", "not permitted"),
        ("assets/mill-1/owner", "lab", "assets.mill-1.owner", "not permitted"),
        ("participants/lab/role", "boss", "participants.lab.role", "operator"),
        ("sources/broker/wire", "modbus", "sources.broker.wire", "mqtt"),
        ("machines", {}, "machines", "not permitted"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path: str, value: object, where: str, what: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Lab.model_validate(changed(path, value))
    (error,) = refused.value.errors()
    told = ".".join(str(part) for part in error["loc"] if part != "[key]") + " " + error["msg"]
    assert where in told
    assert what in told


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        ("assets/mill-1/home_owner", "nobody", "assets.mill-1.home_owner", "no participant 'nobody'"),
        ("assets/mill-1/source", "none", "assets.mill-1.source", "no source 'none'"),
        ("assets/mill-1/source", None, "assets.mill-1.streams.current.address", "names no source"),
        (
            "assets/mill-1/streams/state/address",
            "mill/current",
            "assets.mill-1.streams.state.address",
            "feeds mill-1.current",
        ),
    ],
)
def test_a_name_that_is_not_declared_is_said_with_its_place(path: str, value: object, where: str, what: str) -> None:
    (fault,) = resolve(Lab.model_validate(changed(path, value)), {}).faults
    assert str(fault).startswith(f"{where}: ")
    assert what in str(fault)


@pytest.mark.parametrize("slug", ["a", "mill-1", "1", "a" * 64])
def test_a_slug_is_small_letters_digits_and_hyphens(slug: str) -> None:
    assert slug in Lab.model_validate({"participants": {slug: {"name": "x"}}}).participants


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 65, "ä", "a\n"])
def test_anything_else_is_no_slug(slug: str) -> None:
    with pytest.raises(ValidationError):
        Lab.model_validate({"participants": {slug: {"name": "x"}}})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mill-1.spindle_current", ("mill-1", "spindle_current")),
        ("mill-1", None),
        ("mill-1.a.b", None),
        ("mill-1.", None),
        (".a", None),
        ("Mill.a", None),
        ("mill-1.a\n", None),
        ("0190f1de-7d4e-7c3a-8000-000000000000", None),
    ],
)
def test_a_reference_is_an_asset_and_a_stream(text: str, parts: tuple[str, str] | None) -> None:
    assert split_reference(text) == parts
