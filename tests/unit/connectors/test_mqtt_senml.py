"""SenML packs become samples with resolved names, times, units and values (RFC 8428)."""

import json
import math

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.decode.json_document import MOST
from connectors.mqtt.decode.senml_unit import ucum_of
from connectors.mqtt.payload import SenmlPayload
from fieldlab.assets.asset import Kind
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from tests.unit.connectors.decoding import NOW, by_address, decoded, refusal

PACK = SenmlPayload(format="senml")
LABELS = {
    "bver": -1,
    "bn": -2,
    "bt": -3,
    "bu": -4,
    "bv": -5,
    "bs": -6,
    "n": 0,
    "u": 1,
    "v": 2,
    "vs": 3,
    "vb": 4,
    "s": 5,
    "t": 6,
}
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.fixed_dictionaries(
    {"n": st.text("abz019-:./_", max_size=5)},
    optional={
        "bn": st.text("abz019-:./_", max_size=5),
        "bt": st.integers(0, 2**32),
        "bu": st.sampled_from(["Cel", "%RH", "own"]),
        "bv": NUMBERS,
        "bs": NUMBERS,
        "u": st.sampled_from(["V", "A"]),
        "v": NUMBERS,
        "vs": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "vb": st.booleans(),
        "s": NUMBERS,
        "t": st.integers(-100, 2**32),
        "bver": st.just(10),
    },
)
PACKS = st.lists(RECORDS, min_size=1, max_size=5)


def written(records: object) -> str:
    return json.dumps(records)


@given(PACKS)
def test_json_and_cbor_say_the_same(records: list[dict[str, object]]) -> None:
    packed = [{LABELS[key]: value for key, value in record.items()} for record in records]
    one, other = decoded(written(records), PACK), decoded(cbor2.dumps(packed), PACK)
    assert one.samples == other.samples
    assert one.described == other.described
    assert [reject.detail for reject in one.rejects] == [reject.detail for reject in other.rejects]


@given(PACKS)
def test_a_pack_is_taken_whole_or_refused(records: list[dict[str, object]]) -> None:
    result = decoded(written(records), PACK)
    assert bool(len(result.samples)) != bool(result.rejects)


@given(st.binary() | st.recursive(st.none() | st.booleans() | NUMBERS | st.text(max_size=3) | st.binary(max_size=3),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-6, 8) | st.sampled_from(list(LABELS)),
       inner, max_size=4)).map(cbor2.dumps))  # fmt: skip
def test_no_bytes_upset_it(payload: bytes) -> None:
    decoded(payload, PACK)
    decoded(payload, PACK, retained=True)


def test_base_fields_hold_until_the_next() -> None:
    records = [
        {"bn": "a/", "bt": 1763712000, "bu": "Cel", "bv": 20, "n": "x", "v": 1.5},
        {"n": "x", "t": 1, "v": -1},
        {"bn": "b/", "bt": 1763712010.5, "n": "y", "u": "%RH", "v": 30},
    ]
    result = decoded(written(records), PACK)
    assert result.samples.addresses == ["t#a/x", "t#a/x", "t#b/y"]
    assert result.samples.values == [21.5, 19, 50]
    assert [time - 1763712000_000_000 for time in result.samples.times] == [0, 1_000_000, 10_500_000]
    assert result.samples.origins == [Clock.SOURCE] * 3
    assert [(one.address, one.kind, one.unit) for one in result.described] == [
        ("t#a/x", Kind.NUMBER, "Cel"),
        ("t#b/y", Kind.NUMBER, "%"),
    ]


@pytest.mark.parametrize(("time", "offset"), [(None, 0), (0, 0), (-5, -5_000_000), (2.5, 2_500_000)])
def test_a_relative_time_is_reckoned_from_the_receipt_and_says_so(time: float | None, offset: int) -> None:
    record = {"n": "x", "v": 1} | ({} if time is None else {"t": time})
    samples = decoded(written([record]), PACK).samples
    assert (samples.times, samples.origins) == ([NOW + offset], [Clock.RECEIPT])
    assert refusal(written([record]), PACK, retained=True)[0] is Reason.INVALID_TIME


def test_values_of_every_kind_and_sums_are_taken() -> None:
    records = [{"n": "b", "vb": True}, {"n": "s", "vs": "on"}, {"n": "v", "v": 1, "bs": 10, "s": 2}]
    assert by_address(decoded(written(records), PACK)) == {"t#b": 1, "t#s": "on", "t#v": 1, "t#v;sum": 12}


def test_bytes_are_no_measurement() -> None:
    result = decoded(written([{"n": "x", "vd": "aGk"}, {"n": "y", "v": 1}]), PACK)
    assert result.samples.addresses == ["t#y"]
    assert [(one.reason, one.address) for one in result.rejects] == [(Reason.WRONG_TYPE, "t#x")]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("", "Not JSON"),
        ("{}", "no SenML pack"),
        ("[1]", "Record 0 is no object"),
        ("[]", "holds no value"),
        (b"\x81\xa1", "Not CBOR"),
        (b"\x80\x00", "1 bytes follow the pack"),
        (b"\x81\x01", "Record 0 is no map"),
        ('[{"n": "x"}]', "holds no value"),
        ('[{"n": "x", "v": 1, "vs": "y"}]', "v and vs stand together"),
        ('[{"n": "x", "v": true}]', "v is no finite number"),
        ('[{"n": "x", "v": 1, "x_": 1}]', "must be understood"),
        ('[{"n": "x", "v": 1, "bver": 11}]', "version 11"),
        ('[{"n": "x y", "v": 1}]', "the name 'x y'"),
        ('[{"n": "-x", "v": 1}]', "the name '-x'"),
        ('[{"v": 1}]', "the name ''"),
        ('[{"n": "x", "n": "y", "v": 1}]', "stands twice"),
        ('[{"n": "x", "vs": "\\u0000"}]', "NUL"),
    ],
)
def test_a_refusal_says_what_and_where(payload: str | bytes, words: str) -> None:
    reason, detail = refusal(payload, PACK)
    assert (reason, words in detail) == (Reason.MALFORMED, True), detail


def test_a_pack_has_bounds() -> None:
    (reject,) = decoded(written([{"n": "x", "v": 1}] * (MOST + 1)), PACK).rejects
    assert f"at most {MOST}" in reject.detail


def test_a_sum_beyond_doubles_is_infinite() -> None:
    assert by_address(decoded(cbor2.dumps([{0: "x", 2: 10**400}]), PACK)) == {"t#x": math.inf}


def test_units_are_told_in_ucum() -> None:
    assert [ucum_of(unit) for unit in ("kWh", "%RH", "beat/min", "lat", "own")] == ["kW.h", "%", "/min", "deg", "own"]
