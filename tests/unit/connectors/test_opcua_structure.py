"""Values of a server's own types are taken apart into fields and names; bytes that do not fit stay a reject."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.decode import Reading, decode
from connectors.opcua.structure import Definition, Enumeration, Field, Layout, Structure, Types
from connectors.opcua.value import Extension, NodeKey
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason

NOW = Instant.parse("2026-11-21T08:00:00Z")
TORQUE, POINT = NodeKey(2, 10), NodeKey(2, 20)
STATES = Enumeration(names={0: "Idle", 2: "Cutting"})
INT32, DOUBLE, STRING = 6, 11, 12


def types(layout: Layout, *fields: Field) -> Types:
    known = {TORQUE: Definition(layout=layout, fields=fields)}
    known[POINT] = Definition(layout=Layout.PLAIN, fields=(Field(name="X", type=INT32), Field(name="Y", type=INT32)))
    return Types(definitions=known, encodings={NodeKey(2, 11): TORQUE, NodeKey(2, 21): POINT})


def read(layout: Layout, body: bytes, *fields: Field) -> object:
    return types(layout, *fields).resolved(Extension(NodeKey(2, 11), body))


def test_fields_come_in_order_with_enumerations_as_names_and_structures_inside() -> None:
    body = struct.pack("<diii", 1.5, 2, 3, 4) + struct.pack("<iii", 2, 7, 8)
    found = read(
        Layout.PLAIN, body, Field(name="Value", type=DOUBLE), Field(name="State", type=STATES),
        Field(name="At", type=POINT), Field(name="Path", type=INT32, rank=1),
    )  # fmt: skip
    at = Structure((("X", 3), ("Y", 4)))
    assert found == Structure((("Value", 1.5), ("State", "Cutting"), ("At", at), ("Path", [7, 8])))
    samples = decode([Reading("n", found, 0, None, None)], NOW, last={}, since=NOW).samples
    assert samples.addresses == ["n#Value", "n#State", "n#At.X", "n#At.Y", "n#Path.0", "n#Path.1"]
    assert samples.values == [1.5, None, 3.0, 4.0, 7.0, 8.0]
    assert samples.texts[1] == "Cutting"


def test_optional_fields_that_are_away_are_left_out() -> None:
    fields = (Field(name="A", type=INT32, optional=True), Field(name="B", type=INT32),
              Field(name="C", type=INT32, optional=True))  # fmt: skip
    assert read(Layout.OPTIONAL, struct.pack("<Iii", 0b10, 1, 2), *fields) == Structure((("B", 1), ("C", 2)))
    assert read(Layout.OPTIONAL, struct.pack("<Ii", 0, 1), *fields) == Structure((("B", 1),))


@pytest.mark.parametrize(
    ("choice", "body", "fields"),
    [(0, b"", ()), (1, struct.pack("<d", 2.5), (("A", 2.5),)), (2, struct.pack("<i", 7), (("B", 7),)), (9, b"", ())],
)
def test_of_a_union_one_field_is_there(choice: int, body: bytes, fields: tuple[tuple[str, object], ...]) -> None:
    given_ = (Field(name="A", type=DOUBLE), Field(name="B", type=INT32))
    assert read(Layout.UNION, struct.pack("<I", choice) + body, *given_) == Structure(fields)


def test_a_matrix_keeps_its_shape() -> None:
    body = struct.pack("<iii6i", 2, 2, 3, *range(6))
    assert read(Layout.PLAIN, body, Field(name="M", type=INT32, rank=2)) == Structure((("M", [[0, 1, 2], [3, 4, 5]]),))


def test_a_field_that_may_be_of_a_subtype_says_which() -> None:
    inner = bytes([0x01, 2, 21, 0, 1]) + struct.pack("<iii", 8, 1, 2)
    found = read(Layout.SUBTYPED, inner, Field(name="At", type=POINT, optional=True))
    assert found == Structure((("At", Structure((("X", 1), ("Y", 2)))),))


def test_a_number_without_a_name_is_told_as_its_digits() -> None:
    assert STATES.name([2, 1, None]) == ["Cutting", "1", None]


@given(st.binary(max_size=40), st.sampled_from(Layout))
def test_any_bytes_become_fields_or_a_reject(body: bytes, layout: Layout) -> None:
    fields = (Field(name="A", type=INT32, optional=True), Field(name="B", type=STRING, rank=1),
              Field(name="C", type=POINT), Field(name="D", type=DOUBLE, rank=2))  # fmt: skip
    found = read(layout, body, *fields)
    decoded = decode([Reading("n", found, 0, None, None)], NOW, last={}, since=NOW)
    if isinstance(found, Extension):
        (reject,) = decoded.rejects
        assert reject.reason is Reason.WRONG_TYPE
    else:
        assert decoded.samples.even


def test_an_encoding_that_nobody_asked_for_is_told_and_one_asked_for_in_vain_is_not() -> None:
    known = Types(encodings={NodeKey(2, 1): None})
    assert known.unknown([Extension(NodeKey(2, 1), b""), Extension(NodeKey(3, 1), b"")]) == {NodeKey(3, 1)}
