"""Which topics a filter covers, held against what a broker would say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.assets.topic import checked_filter, covers, is_topic, topic_of

LEVELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)
FILTERS = st.tuples(
    st.just("a"), st.lists(st.sampled_from(["a", "b", "+"]), max_size=3), st.sampled_from(["", "/#"])
).map(lambda parts: "/".join([parts[0], *parts[1]]) + parts[2])


def matches(filter_: str, topic: str) -> bool:
    """As a regular expression: another way to the same answer."""
    pattern = re.escape(filter_).replace(r"\+", "[^/]*")
    pattern = re.sub(r"/\\?#$", "(/.*)?", pattern)
    return re.fullmatch(pattern, topic) is not None


@given(FILTERS, LEVELS.map("/".join))
def test_a_filter_covers_the_topics_that_match_it(filter_: str, topic: str) -> None:
    assert covers(filter_, topic) == matches(filter_, topic)


@given(FILTERS, FILTERS, LEVELS.map("/".join))
def test_filters_with_a_topic_in_common_cover_each_other(one: str, other: str, topic: str) -> None:
    if matches(one, topic) and matches(other, topic):
        assert covers(one, other)
        assert covers(other, one)


@pytest.mark.parametrize(
    "text", ["", "#", "+/x", "$SYS/#", "$share/g/a", "a/#/b", "a/b#", "a/b+", "/a", "a\nuser x", " a", "a ", "a\0"]
)
def test_a_device_is_given_no_such_filter(text: str) -> None:
    with pytest.raises(ValueError, match=r"filter|begins with a name"):
        checked_filter(text)


@pytest.mark.parametrize("text", ["lab/+/x", "lab/#", "$SYS/x", "a\ntopic write #", ""])
def test_what_is_no_topic_of_a_device(text: str) -> None:
    assert not is_topic(text)


def test_the_topic_of_an_address_stands_before_the_path() -> None:
    assert topic_of("lab/mill-1/telemetry#axes.x") == "lab/mill-1/telemetry"
