"""OPC UA values become samples with their own time and status; what is no measurement is a reject that says why."""

import math
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.decode import MOST, Decoded, Reading, decode
from connectors.opcua.value import Word
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD, shown

NOW = Instant.parse("2026-11-21T08:00:00Z")
BEFORE = Instant.parse("2026-11-21T07:00:00Z")
SOURCE = datetime(2026, 11, 21, 7, 59, 58, 123456, tzinfo=UTC)
SERVER = datetime(2026, 11, 21, 7, 59, 59, tzinfo=UTC)
UNCERTAIN_LAST_USABLE = 0x40900000
BAD_SENSOR_FAILURE = 0x808C0000
OVERFLOW = 0x480


def reading(value: object, *, node: str = "n", status: int = 0, source: datetime | None = SOURCE) -> Reading:
    return Reading(node, value, status, source, SERVER)


def decoded(*readings: Reading, last: dict[str, Instant] | None = None) -> Decoded:
    return decode(readings, NOW, last=last or {}, since=BEFORE)


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [
        (3.5, 3.5, None),
        (7, 7.0, None),
        (2**64 - 1, float(2**64 - 1), None),
        (True, 1.0, None),
        ("HELD", None, "HELD"),
        ("", None, ""),
        (Word("Halt"), None, "Halt"),
        (Word(None), None, ""),
        (SOURCE, None, "2026-11-21T07:59:58.123456+00:00"),
        (uuid.UUID(int=7), None, "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_numbers_booleans_and_texts_are_taken(value: object, number: float | None, text: str | None) -> None:
    samples = decoded(reading(value)).samples
    assert (samples.addresses, samples.values, samples.texts) == (["n"], [number], [text])
    assert (samples.times, samples.origins, samples.statuses) == ([Instant.of(SOURCE)], [Clock.SOURCE], [GOOD])


def test_the_time_is_the_source_s_else_the_server_s_else_the_receipt_and_it_is_told_which() -> None:
    null, endless = datetime(1601, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    samples = decoded(
        Reading("a", 1.0, 0, SOURCE, SERVER),
        Reading("b", 1.0, 0, None, SERVER),
        Reading("c", 1.0, 0, null, SERVER),
        Reading("d", 1.0, 0, None, None),
        Reading("d", 2.0, 0, endless, null),
    ).samples
    assert samples.times[:3] == [Instant.of(SOURCE), Instant.of(SERVER), Instant.of(SERVER)]
    assert samples.origins == [Clock.SOURCE, Clock.SERVER, Clock.SERVER, Clock.RECEIPT, Clock.RECEIPT]
    assert NOW <= samples.times[3] < samples.times[4], "two values without a time are two measurements"


@pytest.mark.parametrize("code", [UNCERTAIN_LAST_USABLE, BAD_SENSOR_FAILURE, 0x00BA0000])
def test_the_status_is_kept_with_the_value(code: int) -> None:
    samples = decoded(reading(1.5, status=code)).samples
    assert samples.values == [1.5]
    assert [shown(status) for status in samples.statuses] == [code >> 16]


def test_a_missing_value_is_a_sample_without_a_number_and_with_a_bad_status() -> None:
    samples = decoded(reading(None), reading(None, status=BAD_SENSOR_FAILURE)).samples
    assert samples.values == [None, None]
    assert samples.texts == [None, None]
    assert [shown(status) for status in samples.statuses] == [BAD_NO_DATA, BAD_SENSOR_FAILURE >> 16]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_kept_with_a_bad_status(value: float) -> None:
    samples = decoded(reading(value), reading([value, 1.0])).samples
    assert [shown(status) for status in samples.statuses] == [BAD_OUT_OF_RANGE, BAD_OUT_OF_RANGE, GOOD]
    assert [str(number) for number in samples.values] == [str(value), str(value), "1.0"]


def test_arrays_and_matrices_become_a_sample_an_element() -> None:
    samples = decoded(reading([1, "x", None]), reading([[1.0, 2.0], [3.0]], node="m"), reading([], node="e")).samples
    assert samples.addresses == ["n#0", "n#1", "n#2", "m#0.0", "m#0.1", "m#1.0"]
    assert samples.values == [1.0, None, None, 1.0, 2.0, 3.0]
    assert samples.texts == [None, "x", None, None, None, None]
    assert len(set(samples.times)) == 1


@pytest.mark.parametrize("value", [b"\x00\x01", object(), {"a": 1}, "a\0b", [0] * (MOST + 1)], ids=type)
def test_what_is_no_measurement_is_refused_and_the_rest_is_taken(value: object) -> None:
    result = decoded(reading(value, node="bad"), reading(1.0))
    assert result.samples.addresses == ["n"]
    (reject,) = result.rejects
    assert (reject.reason, reject.address, reject.time) == (Reason.WRONG_TYPE, "bad", Instant.of(SOURCE))
    assert reject.raw


def test_an_overflow_is_a_gap_since_the_value_before() -> None:
    later = [SOURCE + timedelta(seconds=second) for second in range(3)]
    full = [Instant.of(moment) for moment in later]
    result = decoded(
        Reading("n", 1.0, OVERFLOW, later[0], None),
        Reading("n", 2.0, 0, later[1], None),
        Reading("n", 3.0, OVERFLOW, later[2], None),
        Reading("new", 1.0, OVERFLOW, later[0], None),
        Reading("array", [1.0, 2.0], OVERFLOW, later[0], None),
        last={"n": Instant(BEFORE + 1)},
    )
    assert [(gap.start, gap.until, gap.addresses) for gap in result.gaps] == [
        (BEFORE + 1, full[0], ("n",)),
        (full[1], full[2], ("n",)),
        (BEFORE, full[0], ("new",)),
        (BEFORE, full[0], ("array#0", "array#1")),
    ]
    assert {gap.cause for gap in result.gaps} == {Cause.QUEUE_OVERFLOW}
    assert result.samples.statuses == [GOOD] * 6
    assert result.last == {"n": full[2], "new": full[0], "array": full[0]}


def test_a_gap_is_never_empty_even_when_a_clock_went_back() -> None:
    (gap,) = decoded(reading(1.0, status=OVERFLOW), last={"n": NOW}).gaps
    assert gap == Gap(
        start=Instant.of(SOURCE), until=Instant(Instant.of(SOURCE) + 1), cause=Cause.QUEUE_OVERFLOW, addresses=("n",)
    )


@given(
    st.lists(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64), st.floats(), st.text(), st.binary()),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=10,
        ),
        max_size=10,
    ),
    st.integers(0, 2**32 - 1),
)
def test_every_element_of_every_value_is_a_sample_or_a_reject(values: list[object], status: int) -> None:
    result = decoded(*(reading(value, status=status) for value in values))
    columns = result.samples
    sizes = {len(c) for c in (columns.times, columns.values, columns.texts, columns.statuses, columns.origins)}
    assert sizes == {len(columns)}
    assert len(columns) + len(result.rejects) == sum(map(elements, values))
    assert all(-(2**15) <= stored < 2**15 for stored in columns.statuses)


def elements(value: object) -> int:
    return sum(map(elements, value)) if isinstance(value, list) else 1
