"""JSON read by a mapping: named values, several samples in a message, each with a time of its own."""

import json

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.config import MqttOptions
from connectors.mqtt.decode.json_document import MOST
from connectors.mqtt.decode.json_path import JsonPathDecoder
from connectors.mqtt.payload import JsonPathPayload, TimeUnit
from connectors.options import checked
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import InvalidSettings
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from tests.unit.connectors.decoding import NOW, by_address, decoded, refusal


def mapping(
    values: dict[str, str], *, each: str | None = None, time: str | None = None, unit: TimeUnit | None = None
) -> JsonPathPayload:
    return JsonPathPayload(format="json_path", values=values, each=each, time=time, time_unit=unit)


KEYS = st.text("ab'", min_size=1, max_size=2)
DOCUMENTS: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
STEPS = st.lists(
    KEYS.map(lambda key: f"[{json.dumps(key)}]") | st.integers(-2, 2).map(lambda at: f"[{at}]"), max_size=3
)


@given(DOCUMENTS, STEPS)
def test_a_short_cut_finds_what_the_library_finds(document: object, steps: list[str]) -> None:
    path = "$" + "".join(steps)
    ((_, find, several, _),) = JsonPathDecoder(mapping({"x": path}))._values
    wanted = jsonpath.findall(path, document) if isinstance(document, (dict, list)) else [] if steps else [document]
    assert not several
    assert find(document, None) == wanted


@given(st.binary() | DOCUMENTS.map(lambda document: json.dumps(document).encode()))
def test_whatever_arrives_nothing_is_lost_without_a_word(payload: bytes) -> None:
    config = mapping({"{@.a}": "@.b", "all": "$..a"}, each="$[*]", time="@.t", unit=TimeUnit.SECONDS)
    result = decoded(payload, config)
    assert len(result.samples) or result.rejects or b"null" in payload


def test_named_values_are_found_where_the_paths_say() -> None:
    document = {"em:0": {"power": 951.2, "on": True}, "mode": "auto", "gone": None, "phases": [{"v": 1}, {"v": 2}]}
    config = mapping(
        {
            "power": "$['em:0'].power",
            "on": "$['em:0'].on",
            "mode": "$.mode",
            "gone": "$.gone",
            "none": "$.none",
            "v": "$.phases[*].v",
        }
    )
    assert by_address(decoded(json.dumps(document), config)) == {
        "t#power": 951.2,
        "t#on": 1,
        "t#mode": "auto",
        "t#v.0": 1,
        "t#v.1": 2,
    }


@pytest.mark.parametrize(
    ("unit", "given_time", "micros"),
    [
        (TimeUnit.SECONDS, 1763712000.25, 1763712000_250_000),
        (TimeUnit.MILLISECONDS, 1763712000250, 1763712000_250_000),
        (TimeUnit.MICROSECONDS, 1763712000250001, 1763712000_250_001),
        (TimeUnit.NANOSECONDS, 1763712000250001999, 1763712000_250_001),
        (None, "2025-11-21T08:00:00.25+00:00", 1763712000_250_000),
    ],
)
def test_a_time_is_read_where_its_path_says(unit: TimeUnit | None, given_time: float | str, micros: int) -> None:
    config = mapping({"x": "$.x"}, time="$.meta.at", unit=unit)
    samples = decoded(json.dumps({"x": 1, "meta": {"at": given_time}}), config).samples
    assert (samples.times, samples.origins) == ([micros], [Clock.SOURCE])


def test_a_document_without_a_time_gets_that_of_the_receipt() -> None:
    config = mapping({"x": "$.x"}, time="$.at")
    samples = decoded('{"x": 1}', config).samples
    assert (samples.times, samples.origins) == ([NOW], [Clock.RECEIPT])
    assert refusal('{"x": 1}', config, retained=True)[0] is Reason.INVALID_TIME


def test_each_sample_has_a_name_and_a_time_of_its_own() -> None:
    document = {
        "line": 3,
        "readings": [{"s": "a", "t": 1, "v": 10}, {"s": "b", "t": 2, "v": None}, {"s": "a", "t": 3, "v": 12}],
    }
    config = mapping({"{$.line}/{@.s}": "@.v"}, each="$.readings[*]", time="@.t", unit=TimeUnit.SECONDS)
    samples = decoded(json.dumps(document), config).samples
    assert samples.addresses == ["t#3/a", "t#3/a"]
    assert samples.times == [Instant(1_000_000), Instant(3_000_000)]
    assert samples.values == [10, 12]


@pytest.mark.parametrize(
    ("document", "reason", "words"),
    [
        ("{", Reason.MALFORMED, "Not JSON"),
        ('{"y": 1}', Reason.UNKNOWN_ADDRESS, "Nothing in the document is where options.payload.values says, like $.x"),
        ('{"x": 1, "x": 2}', Reason.MALFORMED, "stands twice"),
        ('{"x": {"y": 1}}', Reason.WRONG_TYPE, "$.x leads to an object or array"),
        ('{"x": "\\u0000"}', Reason.WRONG_TYPE, "NUL"),
        ('{"x": 1, "t": 5}', Reason.INVALID_TIME, "options.payload.time_unit"),
        ('{"x": 1, "t": "yesterday"}', Reason.INVALID_TIME, "RFC 3339"),
    ],
)
def test_a_refusal_says_what_and_where(document: str, reason: Reason, words: str) -> None:
    got, detail = refusal(document, mapping({"x": "$.x"}, time="$.t"))
    assert (got, words in detail) == (reason, True), detail


def test_a_name_that_is_not_there_refuses_the_message() -> None:
    reason, detail = refusal('[{"v": 1}]', mapping({"{@.s}": "@.v"}, each="$[*]"))
    assert (reason, "@.s leads to no text or integer" in detail) == (Reason.MALFORMED, True)


def test_a_message_has_bounds() -> None:
    (reject,) = decoded(json.dumps([1] * (MOST + 1)), mapping({"x": "$[*]"})).rejects
    assert f"more than {MOST}" in reject.detail


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"values": {"x": "x"}}, "'x' is no JSONPath"),
        ({"values": {"x": "$.["}}, "'$.[' is no JSONPath"),
        ({"values": {}}, "options.payload.values"),
        ({"values": {"{x}": "$.x"}}, "'x' is no JSONPath"),
        ({"values": {"{x": "$.x"}}, "is no name"),
        ({"values": {"x": "$.x"}, "each": "readings"}, "options.payload.each"),
    ],
)
def test_a_wrong_mapping_names_the_key(payload: dict[str, object], words: str) -> None:
    options = {"topics": ["lab/#"], "payload": {"format": "json_path", **payload}}
    with pytest.raises(InvalidSettings) as fault:
        checked(Source(id=1, slug="mill", wire=Wire.MQTT, url="mqtt://broker", options=options), MqttOptions)
    assert words in str(fault.value)
    assert "(" not in str(fault.value).partition(":")[0]
