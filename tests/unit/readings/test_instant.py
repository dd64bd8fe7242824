"""An instant is a whole microsecond in UTC: read from RFC 3339, cut off and never rounded, written as it was meant."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fieldlab.errors import InvalidTime
from fieldlab.readings.instant import FOREVER, NEVER, Instant

FINITE = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(Instant)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)
MOMENTS = st.datetimes(timezones=st.just(UTC))


def written(moment: datetime, minutes: int, digits: str = "") -> str:
    """Write a moment as somebody with that offset from UTC would."""
    local = moment + timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return local.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (f".{digits}" if digits else "") + offset


@given(instant=FINITE)
@example(instant=Instant(-62_135_596_800_000_000))
@example(instant=Instant(253_402_300_799_999_999))
def test_what_is_written_is_read_back(instant: Instant) -> None:
    assert Instant.parse(str(instant)) == instant
    assert Instant.of(instant.datetime()) == instant
    assert str(instant).endswith("Z")
    assert len(str(instant)) == 27


@given(moment=MOMENTS)
def test_an_aware_datetime_is_kept_to_the_microsecond(moment: datetime) -> None:
    assert Instant.of(moment).datetime() == moment


@given(
    moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    minutes=OFFSETS,
)
def test_the_offset_is_taken_away(moment: datetime, minutes: int) -> None:
    whole = moment.replace(microsecond=0)
    assert Instant.parse(written(whole, minutes)) == Instant.of(whole)


@given(moment=MOMENTS, digits=st.text("0123456789", min_size=1, max_size=40))
@example(moment=datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), digits="9999999999")
def test_digits_below_the_microsecond_are_cut_off_never_rounded(moment: datetime, digits: str) -> None:
    whole = moment.replace(microsecond=0)
    parsed = Instant.parse(written(whole, 0, digits))
    assert parsed - Instant.of(whole) == int(digits[:6].ljust(6, "0"))
    assert parsed.datetime().second == whole.second


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T08:00:00Z", "2026-11-21t08:00:00z", "2026-11-21 08:00:00Z", "2026-11-21T09:00:00.000+01:00",
     "2026-11-21T08:00:00-00:00"],
)  # fmt: skip
def test_the_spellings_of_the_standard_are_read(text: str) -> None:
    assert str(Instant.parse(text)) == "2026-11-21T08:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("2026-11-21T08:00:00", "2026-11-21T08:00:00Z"),
        ("2026-11-21 08:00", "2026-11-21T08:00:00Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T08:00:00.25", "2026-11-21T08:00:00.25Z"),
    ],
)
def test_a_time_without_an_offset_is_refused_with_the_one_that_would_do(text: str, advice: str) -> None:
    with pytest.raises(InvalidTime, match="no offset") as refused:
        Instant.parse(text)
    assert advice in str(refused.value)
    assert Instant.parse(advice).finite


@pytest.mark.parametrize(
    "text",
    ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T08:60:00Z",
     "2026-11-21T08:00:60Z", "2026-11-21T08:00:00+24:00", "0000-01-01T00:00:00Z", "2026-11-31T00:00:00Z",
     "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999999-00:01"],
)  # fmt: skip
def test_an_impossible_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidTime, match=r"cannot be|outside the years"):
        Instant.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "now", "infinity", "1763712000", "2026-11-21T08:00:00 Z", "2026-11-21T08:00:00+0100", "21.11.2026 08:00",
     "2026-11-21T08:00:00Z\n", "٢٠٢٦-11-21T08:00:00Z", "2026-11-21T08:00:00,5Z", "2026-W47-6T08:00:00Z", "x" * 1000],
)  # fmt: skip
def test_another_notation_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InvalidTime, match="RFC 3339") as refused:
        Instant.parse(text)
    assert len(str(refused.value)) < 150
    assert "\n" not in str(refused.value)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(InvalidTime, match="no offset"):
        Instant.of(datetime(2026, 11, 21))  # noqa: DTZ001 - what is refused


@given(one=FINITE, other=FINITE)
def test_instants_are_ordered_as_time_is_between_the_infinities(one: Instant, other: Instant) -> None:
    assert (one < other) == (one.datetime() < other.datetime())
    assert NEVER < one < FOREVER
    assert one.finite


def test_the_infinities_are_written_as_the_database_writes_them() -> None:
    assert (str(FOREVER), str(NEVER)) == ("infinity", "-infinity")
    assert not FOREVER.finite
    assert not NEVER.finite
    with pytest.raises(InvalidTime):
        FOREVER.datetime()


@given(instant=FINITE, minutes=OFFSETS)
def test_a_zone_does_not_change_an_instant(instant: Instant, minutes: int) -> None:
    try:
        local = instant.datetime().astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert Instant.of(local) == instant
