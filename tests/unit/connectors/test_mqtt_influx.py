"""Line protocol becomes samples: what other makers' writers write is read back as it was."""

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from connectors.mqtt.decode.json_document import LARGEST, MOST
from connectors.mqtt.payload import InfluxPayload, TimeUnit
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from tests.unit.connectors.decoding import NOW, by_address, decoded, refusal

LINES = InfluxPayload(format="influx")
PRINTED = st.text(
    st.sampled_from(string.printable.translate(dict.fromkeys(range(9, 14))) + "äµ\\"), min_size=1, max_size=8
)
KEYS = PRINTED.filter(lambda key: not key.endswith("\\") and not key.startswith("#") and key.strip())
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
)


@given(KEYS, st.dictionaries(KEYS, KEYS, max_size=3), st.dictionaries(KEYS, VALUES, min_size=1), st.integers(0, 2**62))
def test_what_the_reference_client_writes_is_read_back(
    measurement: str, tags: dict[str, str], fields: dict[str, float | str | bool], time: int
) -> None:
    point = Point(measurement).time(time, WritePrecision.NS)
    for key, tag in tags.items():
        point.tag(key, tag)
    for key, field in fields.items():
        point.field(key, field)
    line = point.to_line_protocol()
    result = decoded(line, LINES)
    assert result.rejects == ()
    samples = result.samples
    assert samples.times == [time // 1000] * len(fields)
    assert samples.origins == [Clock.SOURCE] * len(fields)
    got = [value if text is None else text for value, text in zip(samples.values, samples.texts, strict=True)]
    wanted = [value if isinstance(value, str) else float(value) for _, value in sorted(fields.items())]
    assert got == wanted
    assert len(set(samples.addresses)) == len(fields)


@given(
    st.lists(st.sampled_from(["a", "b", "c=1", ",", " ", "=", '"', "\\", "\n", "1", "i", "t", "#", "é"]), max_size=30)
)
def test_whatever_arrives_nothing_is_lost_without_a_word(parts: list[str]) -> None:
    text = "".join(parts)
    result = decoded(text, LINES)
    assert (
        len(result.samples)
        or result.rejects
        or all(not line.strip(" \t\r") or line.lstrip(" \t\r").startswith("#") for line in text.split("\n"))
    )


@given(st.binary())
def test_no_bytes_upset_it(payload: bytes) -> None:
    decoded(payload, LINES)


def test_the_order_of_tags_does_not_matter_and_escapes_stay() -> None:
    text = "m\\ 1,b=2,a\\,x=1 f\\=g=1\nm\\ 1,a\\,x=1,b=2 f\\=g=2"
    samples = decoded(text, LINES).samples
    assert samples.addresses == ["t#m\\ 1,a\\,x=1,b=2 f\\=g"] * 2
    assert samples.values == [1, 2]


@pytest.mark.parametrize(
    ("unit", "written", "micros"),
    [
        (TimeUnit.NANOSECONDS, "1763712000123456789", 1763712000123456),
        (TimeUnit.MICROSECONDS, "1763712000123456", 1763712000123456),
        (TimeUnit.MILLISECONDS, "1763712000123", 1763712000123000),
        (TimeUnit.SECONDS, "-1", -1_000_000),
    ],
)
def test_a_time_is_read_in_its_unit(unit: TimeUnit, written: str, micros: int) -> None:
    config = InfluxPayload(format="influx", time_unit=unit)
    assert decoded(f"m f=1 {written}", config).samples.times == [micros]


def test_a_line_without_a_time_gets_that_of_the_receipt() -> None:
    samples = decoded("# a remark\n\nm f=1\r\n", LINES).samples
    assert (samples.times, samples.origins) == ([NOW], [Clock.RECEIPT])


def test_a_text_may_span_lines_and_hold_anything_escaped() -> None:
    text = 'm a="x\n y, z=\\"1\\" \\\\ \\d",b=T,c=2u,d=-0.5e-3 1\nm a=1'
    samples = decoded(text, LINES).samples
    assert samples.texts == ['x\n y, z="1" \\ \\d', None, None, None, None]
    assert samples.values == [None, 1, 2, -0.0005, 1]


def test_a_bad_line_is_a_reject_with_its_bytes_and_the_others_count() -> None:
    result = decoded("m f=1 1\nm f=oops 1\nm f=3 1\n", LINES)
    assert result.samples.values == [1, 3]
    (reject,) = result.rejects
    assert (reject.raw, reject.reason) == (b"m f=oops 1", Reason.MALFORMED)
    assert reject.detail.startswith("Line 2: at character 3 there is no field")


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [
        ("", Reason.MALFORMED, "holds no line"),
        ("m", Reason.MALFORMED, "begins without a measurement"),
        ("m f=1 1.5", Reason.MALFORMED, "at character 6 there is neither a time"),
        ("m f=1.5i", Reason.MALFORMED, "the field 'f' is no integer"),
        ("m f=9223372036854775808i", Reason.MALFORMED, "does not fit"),
        ("m f=-1u", Reason.MALFORMED, "does not fit"),
        ("m f=1,f=2", Reason.MALFORMED, "a field stands twice"),
        ("m,a=1,a=2 f=1", Reason.MALFORMED, "a tag stands twice"),
        ('m f="a', Reason.MALFORMED, "there is no field"),
        (b"m f=1 \xff", Reason.MALFORMED, "byte 6 is not UTF-8"),
        ("m f=1\0", Reason.MALFORMED, "NUL"),
        (f"m {'f' * 3000}=1", Reason.MALFORMED, "longer than"),
    ],
)
def test_a_refusal_says_what_and_where(payload: str | bytes, reason: Reason, words: str) -> None:
    got, detail = refusal(payload, LINES)
    assert (got, words in detail) == (reason, True), detail


def test_an_impossible_time_names_the_option() -> None:
    reason, detail = refusal("m f=1 1763712000000000000", InfluxPayload(format="influx", time_unit=TimeUnit.SECONDS))
    assert reason is Reason.INVALID_TIME
    assert "options.payload.time_unit" in detail


def test_a_retained_line_needs_a_time() -> None:
    assert refusal("m f=1", LINES, retained=True)[0] is Reason.INVALID_TIME
    assert len(decoded("m f=1 1", LINES, retained=True).samples) == 1


def test_a_message_has_bounds() -> None:
    many = ",".join(f"f{place}=1" for place in range(MOST // 2 + 1))
    (reject,) = decoded(f"m {many}\nm {many}", LINES).rejects
    assert f"more than {MOST}" in reject.detail
    (large,) = decoded("m f=1\n" * (LARGEST // 6 + 1), LINES).rejects
    assert "at most" in large.detail


def test_an_integer_beyond_doubles_is_rounded_as_they_are() -> None:
    assert by_address(decoded("m f=9007199254740993i", LINES)) == {"t#m f": math.ldexp(1, 53)}
