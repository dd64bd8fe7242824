"""A machine's tenures as a drawing: every tenure has a line, and its place on it."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.time_line import drawn
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant

NOW = Instant.parse("2026-11-21T09:30:30Z")
EIGHT, NINE, TEN = (Instant.parse(f"2026-11-21T{hour:02}:00:00Z") for hour in (8, 9, 10))


def tenure(
    owner: str, start: Instant, until: Instant, *, stream: str = "x", trial: str | None = None
) -> dict[str, Any]:
    return {
        "asset": "mill-1",
        "stream": stream,
        "owner": owner,
        "from": str(start),
        "until": str(until),
        "trial": trial,
        "booked": start.finite,
    }


def test_streams_that_went_the_same_way_share_their_lines() -> None:
    way = [tenure("lab", NEVER, EIGHT), tenure("sme-a", EIGHT, TEN, trial="tool-wear")]
    lines = drawn([{**one, "stream": stream} for stream in ("current", "speed") for one in way], NOW)
    assert lines == [
        "mill-1.current",
        "mill-1.speed",
        "  from                  until                 owner  trial",
        "  …                     2026-11-21T08:00:00Z  lab    not booked  ░░░░                        │",
        "  2026-11-21T08:00:00Z  2026-11-21T10:00:00Z  sme-a  tool-wear       ████████████████████████│███████",
    ]


def test_streams_that_went_another_way_stand_by_themselves() -> None:
    lines = drawn([tenure("lab", NEVER, FOREVER, stream="a"), tenure("sme-a", EIGHT, TEN, stream="b")], NOW)
    assert [line for line in lines if not line.startswith(" ")] == ["mill-1.a", "", "mill-1.b"]


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8, unique=True).map(sorted),
    st.integers(-(10**6), 10**7).map(lambda at: Instant(at * MINUTE)),
)
def test_every_tenure_is_seen_however_short_it_is(bounds: list[int], now: Instant) -> None:
    edges = [NEVER, *(Instant(at * MINUTE) for at in bounds), FOREVER]
    tenures = [tenure(f"p{place}", start, until) for place, (start, until) in enumerate(pairwise(edges))]
    lines = drawn(tenures, now)[2:]
    assert [line.split()[2] for line in lines] == [one["owner"] for one in tenures]
    assert all({"█", "░"} & {*line} for line in lines)
    assert len({len(line.partition(mark)[0]) for line in lines if (mark := "│") in line}) <= 1
