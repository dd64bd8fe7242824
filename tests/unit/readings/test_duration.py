"""Durations are read exactly, or refused with the reason."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import InvalidInput
from fieldlab.readings.calendar import Calendar
from fieldlab.readings.duration import format_duration, format_step, parse_duration, parse_step

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
LONGEST = 36_525 * UNITS["d"]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1m", 60_000_000),
        ("PT1M", 60_000_000),
        ("P1D", 86_400_000_000),
        ("1d", 86_400_000_000),
        ("P1DT2H3M4.5S", 93_784_500_000),
        ("PT0.000001S", 1),
        ("1us", 1),
        ("500ms", 500_000),
        ("1.5h", 5_400_000_000),
        ("PT36H", 129_600_000_000),
        ("PT1,5S", 1_500_000),
    ],
)
def test_short_and_iso_spellings_are_read(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["1w", "P1W", "1mo", "P1M", "P1Y", "1y", "P1Y2M3D", "P2M1DT3H", "3months", "1q"])
def test_calendar_units_are_refused_with_what_to_write_instead(text: str) -> None:
    with pytest.raises(InvalidInput, match="no fixed length; count in days"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "m",
        "P",
        "PT",
        "P1DT",
        "1 m",
        " 1m",
        "-1m",
        "+1m",
        "1M",
        "1e3s",
        "PT1M1H",
        "pt1m",
        "\u0661m",
        "1m\n",
        "x" * 99,
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="write it like"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "PT0S", "0.0m", "36526d", "9" * 18 + "h"])
def test_nothing_and_more_than_a_century_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="too short or too long"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0.5us", "0.0000001s", "PT0.0000005S"])
def test_less_than_a_microsecond_is_refused_rather_than_rounded(text: str) -> None:
    with pytest.raises(InvalidInput, match="finer than a microsecond"):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=LONGEST))
def test_what_is_written_reads_back(micros: int) -> None:
    assert parse_duration(format_duration(micros)) == micros
    days, rest = divmod(micros, UNITS["d"])
    assert parse_duration(f"P{days}DT{rest // 1_000_000}.{rest % 1_000_000:06}S") == micros


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from(sorted(UNITS)))
def test_a_count_of_a_unit_is_that_many_of_its_microseconds(count: int, unit: str) -> None:
    if count * UNITS[unit] <= LONGEST:
        assert parse_duration(f"{count}{unit}") == count * UNITS[unit]


@given(st.text(max_size=60))
def test_no_text_brings_it_down(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert 0 < parse_duration(text) <= LONGEST


@pytest.mark.parametrize(
    ("text", "zone", "step"),
    [
        ("1m", None, 60_000_000),
        ("1d", None, 86_400_000_000),
        ("24h", None, 86_400_000_000),
        ("1d", "Europe/Amsterdam", Calendar(days=1, zone="Europe/Amsterdam")),
        ("P7D", "Europe/Amsterdam", Calendar(days=7, zone="Europe/Amsterdam")),
        ("1w", None, Calendar(weeks=1)),
        ("P2W", "Asia/Kolkata", Calendar(weeks=2, zone="Asia/Kolkata")),
        ("1mo", None, Calendar(months=1)),
        ("P3M", None, Calendar(months=3)),
        ("1q", None, Calendar(months=3)),
        ("P1Y", None, Calendar(months=12)),
    ],
)
def test_steps_of_the_calendar_are_read(text: str, zone: str | None, step: int | Calendar) -> None:
    assert parse_step(text, zone) == step
    assert parse_step(format_step(step), zone) == step


@pytest.mark.parametrize("text", ["1h", "PT24H", "1.5d", "P1DT1H"])
def test_a_time_zone_is_for_steps_of_the_calendar(text: str) -> None:
    with pytest.raises(InvalidInput, match="whole days, weeks or months"):
        parse_step(text, "Europe/Amsterdam")


@pytest.mark.parametrize("text", ["0d", "0mo", "101y", "P1201M", "1.5mo", "P1M2D", "36526d"])
def test_a_step_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_step(text)
