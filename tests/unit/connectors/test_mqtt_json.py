"""JSON becomes samples: every number, boolean and text, by its place; what cannot is a reject that says why."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.decode import Decoded, decode
from connectors.mqtt.decode.batch import RAW_KEPT
from connectors.mqtt.decode.json_document import DEEPEST, LARGEST, MOST
from connectors.mqtt.payload import JsonPayload, TimeUnit
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason

NOW = Instant.parse("2026-11-21T08:00:00Z")
PLAIN = JsonPayload()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


def decoded(payload: object, config: JsonPayload = PLAIN, *, topic: str = "t", retained: bool = False) -> Decoded:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(topic, raw, NOW, config, retained=retained)


def refusal(payload: object, config: JsonPayload = PLAIN, *, retained: bool = False) -> tuple[Reason, str]:
    result = decoded(payload, config, retained=retained)
    assert len(result.samples) == 0
    (reject,) = result.rejects
    assert reject.address == "t"
    assert reject.received_at == NOW
    return reject.reason, reject.detail


def by_address(result: Decoded) -> dict[str, float | str | None]:
    samples = result.samples
    rows = zip(samples.addresses, samples.values, samples.texts, strict=True)
    return {address: value if text is None else text for address, value, text in rows}


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def test_every_number_boolean_and_text_is_taken_by_its_place() -> None:
    payload = {"current": 3, "axes": [1.5, {"x": True}], "state": "HELD", "nothing": None, "inner": {"a.b": False}}
    assert by_address(decoded(payload, topic="lab/mill-1")) == {
        "lab/mill-1#current": 3.0,
        "lab/mill-1#axes.0": 1.5,
        "lab/mill-1#axes.1.x": 1.0,
        "lab/mill-1#state": "HELD",
        "lab/mill-1#inner.a\\.b": 0.0,
    }


@given(DOCUMENTS)
def test_every_leaf_is_a_sample_or_null_or_a_reject(document: object) -> None:
    result = decoded(document, JsonPayload(time=None))
    columns = result.samples
    sizes = {
        len(c)
        for c in (columns.addresses, columns.times, columns.values, columns.texts, columns.statuses, columns.origins)
    }
    assert sizes == {len(columns)}
    if isinstance(document, (dict, list)):
        assert len(set(columns.addresses)) == len(columns)
        expected = sum(leaf is not None for leaf in leaves(document))
        whole = any(r.address == "t" for r in result.rejects)
        assert whole or len(columns) + len(result.rejects) == expected
    else:
        assert [r.reason for r in result.rejects] == [Reason.WRONG_TYPE]


@given(st.binary(max_size=200))
def test_no_payload_raises(payload: bytes) -> None:
    result = decoded(payload)
    assert all(reject.raw == payload for reject in result.rejects)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_out_as_they_went_in(numbers: list[float]) -> None:
    assert decoded(numbers).samples.values == numbers


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 30)),  # noqa: DTZ001 - the offset is drawn beside it
    st.integers(-14 * 60, 14 * 60),
    st.text("0123456789", min_size=0, max_size=6),
)
def test_a_time_is_read_to_the_microsecond_and_the_rest_is_cut_off(moment: datetime, minutes: int, more: str) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = aware.isoformat(timespec="microseconds")
    text = text[:26].zfill(26) + more + text[26:]
    result = decoded({"time": text, "a": 1})
    assert result.samples.times == [Instant.of(aware)]
    assert result.samples.origins == [Clock.SOURCE]


@given(st.lists(st.tuples(st.integers(0, 2**31), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_objects_with_times_of_their_own_are_several_samples(pairs: list[tuple[int, float]]) -> None:
    payload = [{"time": second, "axes": {"x": value}} for second, value in pairs]
    samples = decoded(payload, JsonPayload(time_unit=TimeUnit.SECONDS)).samples
    assert samples.addresses == ["t#axes.x"] * len(pairs)
    assert samples.values == [value for _, value in pairs]
    assert samples.times == [second * 1_000_000 for second, _ in pairs]
    assert set(samples.origins) == {Clock.SOURCE}


def test_a_series_is_taken_whole_or_not_at_all() -> None:
    broken = [{"time": "2026-11-21T07:59:59Z", "a": 1}, {"time": "yesterday", "a": 2}]
    assert refusal(broken)[0] is Reason.INVALID_TIME
    assert refusal(b'[{"time": "2026-11-21T07:59:59Z", "a": 1, "a": 2}]')[0] is Reason.MALFORMED
    mixed = decoded([{"time": "2026-11-21T07:59:59Z", "a": 1}, {"a": 2}])
    assert mixed.samples.addresses == ["t#0.time", "t#0.a", "t#1.a"]


def test_a_message_without_a_time_gets_the_receipt_and_says_so() -> None:
    for payload in ({"a": 1, "b": "x"}, {"time": None, "a": 1, "b": "x"}):
        result = decoded(payload)
        assert result.samples.times == [NOW, NOW]
        assert result.samples.origins == [Clock.RECEIPT, Clock.RECEIPT]


def test_the_key_of_the_time_is_chosen_by_option_and_is_no_sample() -> None:
    result = decoded({"ts": "2026-11-21T09:00:00+01:00", "time": "noon", "a": 1}, JsonPayload(time="ts"))
    assert by_address(result) == {"t#time": "noon", "t#a": 1.0}
    assert result.samples.times == [NOW, NOW]
    assert by_address(decoded({"time": "noon"}, JsonPayload(time=None))) == {"t#time": "noon"}


@pytest.mark.parametrize(
    ("unit", "given_time", "micros"),
    [
        (TimeUnit.SECONDS, 1_795_000_000, 1_795_000_000_000_000),
        (TimeUnit.SECONDS, 1_795_000_000.123456, 1_795_000_000_123_456),
        (TimeUnit.SECONDS, -0.0000015, -2),
        (TimeUnit.MILLISECONDS, 1_795_000_000_123, 1_795_000_000_123_000),
        (TimeUnit.MILLISECONDS, 0.0019, 1),
        (TimeUnit.MICROSECONDS, 1_795_000_000_123_456, 1_795_000_000_123_456),
        (TimeUnit.NANOSECONDS, 1_795_000_000_123_456_999, 1_795_000_000_123_456),
    ],
)
def test_a_number_is_a_time_in_the_unit_of_the_option_cut_off_at_the_microsecond(
    unit: TimeUnit, given_time: float, micros: int
) -> None:
    assert decoded({"time": given_time, "a": 1}, JsonPayload(time_unit=unit)).samples.times == [micros]


@pytest.mark.parametrize(
    ("given_time", "config", "said"),
    [
        ("2026-11-21T08:00:00", PLAIN, "has no offset; write it as 2026-11-21T08:00:00Z"),
        ("yesterday", PLAIN, "not an RFC 3339 time"),
        ("2026-02-30T08:00:00Z", PLAIN, "cannot be"),
        (1_795_000_000, PLAIN, "set options.payload.time_unit"),
        (True, PLAIN, "is no time"),
        ({"at": 1}, PLAIN, "is no time"),
        (1_795_000_000_000, JsonPayload(time_unit=TimeUnit.SECONDS), "outside the years 1 to 9999"),
        (1e300, JsonPayload(time_unit=TimeUnit.SECONDS), "outside the years 1 to 9999"),
    ],
)
def test_a_wrong_time_refuses_the_message_and_says_what_to_do(
    given_time: object, config: JsonPayload, said: str
) -> None:
    reason, detail = refusal({"a": 1, "time": given_time}, config)
    assert reason is Reason.INVALID_TIME
    assert said in detail


def test_a_retained_message_without_a_time_is_refused_and_one_with_a_time_is_taken() -> None:
    reason, detail = refusal({"a": 1}, retained=True)
    assert reason is Reason.INVALID_TIME
    assert "kept this message" in detail
    assert len(decoded({"a": 1, "time": str(NOW)}, retained=True).samples) == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "Not JSON"),
        (b"21.5 A", "Not JSON"),
        (b'{"a": 1,}', "line 1, character 8"),
        (b"{\n 'a': 1}", "line 2, character 2"),
        (b'{"a": NaN}', "NaN at line 1, character 7"),
        (b'{"a": -Infinity}', "Infinity at line 1, character 8"),
        (b'{"a": 1e999}', "Not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": {"b" :1, "b":2}, "c": "::"}', "'b' stands twice"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "deeper"),
        (b"[" * 5_000 + b"]" * 5_000, "Not JSON"),
        (b"[" + b"1," * MOST + b"1]", f"{MOST + 1} values"),
        (b'{"' + b"k" * 3_000 + b'": 1}', "longer than"),
        (b'{"a\\u0000": 1}', "NUL"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_malformed_is_refused_with_the_place(payload: bytes, said: str) -> None:
    reason, detail = refusal(payload)
    assert reason is Reason.MALFORMED
    assert said in detail


def test_colons_in_texts_are_not_taken_for_repeated_keys() -> None:
    payload = b'{"a" : "x:y", "b": {"a" : "\\":"}, "c": [{"a": 1}, {"a": 2}]}'
    assert decoded(payload).rejects == ()
    assert len(decoded(payload).samples) == 4


def test_a_lone_value_is_the_wrong_type() -> None:
    for payload, kind in ((b"3", "number"), (b'"x"', "text"), (b"true", "boolean"), (b"null", "null")):
        reason, detail = refusal(payload)
        assert reason is Reason.WRONG_TYPE
        assert kind in detail


def test_one_text_with_a_nul_is_refused_and_the_rest_of_the_message_is_taken() -> None:
    result = decoded(b'{"a": "x\\u0000y", "b": 1}')
    assert by_address(result) == {"t#b": 1.0}
    (reject,) = result.rejects
    assert (reject.reason, reject.address) == (Reason.MALFORMED, "t#a")


def test_of_a_huge_payload_the_reject_keeps_the_beginning_and_says_so() -> None:
    payload = b'{"a": "' + b"x" * LARGEST + b'"}'
    result = decoded(payload)
    (reject,) = result.rejects
    assert reject.raw == payload[:RAW_KEPT]
    assert f"{len(payload)} bytes" in reject.detail
    assert f"The last {len(payload) - RAW_KEPT} bytes of the payload are not kept." in reject.detail


def test_integers_beyond_a_double_keep_their_size() -> None:
    (value,) = decoded(b"[123456789012345678901234567890]").samples.values
    assert value is not None
    assert math.isclose(value, 1.2345678901234568e29)


def test_nothing_but_nulls_is_neither_sample_nor_reject() -> None:
    for payload in (b"{}", b"[]", b'{"a": null, "b": []}'):
        assert len(decoded(payload).samples) == 0
        assert decoded(payload).rejects == ()


def test_times_are_in_utc() -> None:
    assert decoded({"time": "2026-11-21T08:00:00-05:00", "a": 1}).samples.times == [
        Instant.of(datetime(2026, 11, 21, 13, tzinfo=UTC))
    ]
