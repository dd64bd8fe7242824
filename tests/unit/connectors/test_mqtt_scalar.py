"""A message that is one value becomes one sample at its topic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.decode.scalar import LONGEST
from connectors.mqtt.payload import ScalarPayload
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from tests.unit.connectors.decoding import NOW, by_address, decoded, refusal

ANY = ScalarPayload(format="scalar")
NUMBERS = ScalarPayload(format="scalar", numbers_only=True)


@given(st.floats(allow_nan=False) | st.integers(-(10**300), 10**300))
def test_a_number_stays_itself(number: float) -> None:
    assert by_address(decoded(repr(number), NUMBERS)) == {"t": float(number)}


@pytest.mark.parametrize(
    ("payload", "value"),
    [("true", 1), ("FALSE", 0), (" 21.5\r\n", 21.5), ("-.5e3", -500), ("on", "on"), ("1_000", "1_000"), ("3,1", "3,1")],
)
def test_a_payload_is_read_as_what_it_is(payload: str, value: float | str) -> None:
    assert by_address(decoded(payload, ANY)) == {"t": value}


def test_a_failed_reading_is_a_number_that_is_none() -> None:
    (value,) = decoded("nan", NUMBERS).samples.values
    assert value is not None
    assert math.isnan(value)


def test_a_sample_has_the_time_of_its_receipt_and_says_so() -> None:
    samples = decoded("1", ANY).samples
    assert (samples.times, samples.origins) == ([NOW], [Clock.RECEIPT])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_text_stays_itself_unless_it_says_a_number_or_nothing(text: str) -> None:
    result = decoded(text, ANY)
    assert len(result.samples) + len(result.rejects) == 1
    if result.samples.texts not in ([], [None]):
        assert result.samples.texts == [text]


@given(st.binary())
def test_whatever_arrives_is_one_sample_or_one_reject(payload: bytes) -> None:
    for config in (ANY, NUMBERS):
        result = decoded(payload, config)
        assert len(result.samples) + len(result.rejects) == 1


@pytest.mark.parametrize(
    ("payload", "config", "reason", "words"),
    [
        ("", ANY, Reason.MALFORMED, "is empty"),
        ("a\0b", ANY, Reason.MALFORMED, "NUL"),
        (b"\xff\xfe", ANY, Reason.MALFORMED, "byte 0 is not UTF-8"),
        ("21.5 C", NUMBERS, Reason.WRONG_TYPE, "is no number"),
        ("x" * (LONGEST + 1), ANY, Reason.MALFORMED, f"at most {LONGEST}"),
    ],
)
def test_a_refusal_says_what_to_do(payload: str | bytes, config: ScalarPayload, reason: Reason, words: str) -> None:
    result = decoded(payload, config)
    assert [(one.reason, words in one.detail) for one in result.rejects] == [(reason, True)]


def test_a_retained_message_was_measured_nobody_knows_when() -> None:
    assert refusal("1", ANY, retained=True)[0] is Reason.INVALID_TIME
