"""Days, weeks and months are those of the wall clock in their zone, across changes of the clock."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import InvalidInput, InvalidInterval
from fieldlab.readings.calendar import Calendar, time_zone
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant

HOUR = 60 * MINUTE
ZONES = ["UTC", "Europe/Amsterdam", "America/Sao_Paulo", "Atlantic/Azores", "Asia/Kolkata", "Pacific/Apia"]
MOMENTS = st.integers(Instant.parse("1971-01-01T00:00:00Z"), Instant.parse("2037-01-01T00:00:00Z")).map(Instant)
STEPS = st.one_of(
    st.builds(Calendar, months=st.integers(1, 24), zone=st.sampled_from(ZONES)),
    st.builds(Calendar, weeks=st.integers(1, 8), zone=st.sampled_from(ZONES)),
    st.builds(Calendar, days=st.integers(1, 40), zone=st.sampled_from(ZONES)),
)


def hours(step: Calendar, start: str, until: str) -> list[float]:
    edges = step.edges(Instant.parse(start), Instant.parse(until))
    return [length / HOUR for length in np.diff(edges).tolist()]


def test_a_day_has_23_or_25_hours_where_the_clock_changes() -> None:
    day = Calendar(days=1, zone="Europe/Amsterdam")
    assert hours(day, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z") == [24, 23, 24]
    assert hours(day, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z") == [24, 25, 24]


def test_a_day_whose_midnight_does_not_exist_begins_with_its_first_moment() -> None:
    day = Calendar(days=1, zone="America/Sao_Paulo")
    edges = day.edges(Instant.parse("2018-11-04T12:00:00Z"), Instant.parse("2018-11-04T13:00:00Z"))
    assert edges[0] == Instant.parse("2018-11-04T03:00:00Z")
    assert edges[1] - edges[0] == 23 * HOUR


def test_a_day_whose_midnight_comes_twice_begins_with_the_first() -> None:
    day = Calendar(days=1, zone="America/Havana")
    edges = day.edges(Instant.parse("2026-11-01T12:00:00Z"), Instant.parse("2026-11-01T13:00:00Z"))
    assert edges[0] == Instant.parse("2026-11-01T04:00:00Z")
    assert edges[1] - edges[0] == 25 * HOUR


def test_a_day_that_was_left_out_is_no_bucket() -> None:
    day = Calendar(days=1, zone="Pacific/Apia")
    assert hours(day, "2011-12-29T20:00:00Z", "2012-01-01T00:00:00Z") == [24, 24, 24]


def test_weeks_begin_on_monday_and_years_in_january() -> None:
    week = Calendar(weeks=1, zone="Europe/Amsterdam")
    sunday = Instant.parse("2026-11-22T12:00:00Z")
    assert Instant(week.edges(sunday, Instant(sunday + 1))[0]) == Instant.parse("2026-11-15T23:00:00Z")
    year = Calendar(months=12).edges(Instant.parse("2026-11-22T12:00:00Z"), Instant.parse("2026-11-22T13:00:00Z"))
    assert [Instant(edge) for edge in year] == [
        Instant.parse("2026-01-01T00:00:00Z"),
        Instant.parse("2027-01-01T00:00:00Z"),
    ]


@given(step=STEPS, moment=MOMENTS, span=st.integers(1, 400 * 24 * HOUR))
def test_each_moment_lies_in_one_bucket_that_begins_at_a_first_moment(
    step: Calendar, moment: Instant, span: int
) -> None:
    edges = step.edges(moment, Instant(moment + span))
    assert np.all(np.diff(edges) > 0)
    assert edges[0] <= moment
    assert edges[-1] >= moment + span
    assert moment < edges[1]
    assert step.after(moment) == edges[1]
    for edge in edges[:3].tolist():
        day = Instant(edge).datetime().astimezone(ZoneInfo(step.zone)).date()
        before = Instant(edge - 1).datetime().astimezone(ZoneInfo(step.zone)).date()
        assert before < day


@given(step=STEPS, moment=MOMENTS, span=st.integers(1, 100 * 24 * HOUR))
def test_the_bounds_do_not_depend_on_where_one_begins_to_ask(step: Calendar, moment: Instant, span: int) -> None:
    whole = step.edges(moment, Instant(moment + 2 * span))
    part = step.edges(Instant(moment + span), Instant(moment + span + 1))
    assert set(part.tolist()) <= set(whole.tolist()) | {part[-1]}


@pytest.mark.parametrize(("start", "until"), [(NEVER, Instant(0)), (Instant(0), FOREVER), (NEVER, FOREVER)])
def test_an_open_range_is_refused_with_what_to_do(start: Instant, until: Instant) -> None:
    with pytest.raises(InvalidInterval, match="give from and until"):
        Calendar(days=1).edges(start, until)


def test_too_many_buckets_are_refused() -> None:
    with pytest.raises(InvalidInterval, match="more than 100000"):
        Calendar(days=1).edges(Instant.parse("1000-01-01T00:00:00Z"), Instant.parse("2026-01-01T00:00:00Z"))


def test_the_end_of_time_is_no_crash() -> None:
    with pytest.raises(InvalidInterval, match="years 1 to 9999"):
        Calendar(months=12).edges(Instant.parse("9999-12-01T00:00:00Z"), Instant.parse("9999-12-02T00:00:00Z"))


def test_a_floor_fits_whose_grid_has_all_midnights() -> None:
    assert Calendar(days=1, zone="Europe/Amsterdam").fits(HOUR)
    assert not Calendar(days=1, zone="Europe/Amsterdam").fits(24 * HOUR)
    assert Calendar(months=1).fits(24 * HOUR)
    assert not Calendar(days=1, zone="Asia/Kolkata").fits(HOUR)
    assert Calendar(days=1, zone="Asia/Kolkata").fits(30 * MINUTE)


def test_a_zone_that_is_not_there_is_refused() -> None:
    assert time_zone("Europe/Amsterdam") == "Europe/Amsterdam"
    with pytest.raises(InvalidInput, match="write it like"):
        time_zone("../etc/passwd")
