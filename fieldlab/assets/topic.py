"""MQTT topics and topic filters: what may be written, and which covers which (MQTT 5.0, 4.7)."""

from typing import Final

_LONGEST: Final = 65_535


def checked_filter(text: str) -> str:
    """Give the filter itself; raises ValueError for what is none, or for one that reaches beyond a named first level.

    What a device may publish on begins with a name: neither a wildcard nor `$`.
    """
    levels = text.split("/")
    if not _writable(text):
        raise ValueError("A topic filter has 1 to 65,535 bytes, no control characters, and no blank at either end")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError("`#` stands alone in the last level of a topic filter, like lab/mill-1/#")
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("`+` stands alone in a level of a topic filter, like lab/mill-1/+")
    if levels[0] in {"", "+", "#"} or text.startswith("$"):
        raise ValueError("What a device may publish on begins with a name, like lab/mill-1/#")
    return text


def is_topic(text: str) -> bool:
    """Tell whether a message can be published on it, and a line of a file can hold it."""
    return _writable(text) and "+" not in text and "#" not in text and not text.startswith("$")


def topic_of(address: str) -> str:
    """Give the topic of an MQTT source's address: what stands before `#`."""
    return address.partition("#")[0]


def covers(filter_: str, topic: str) -> bool:
    """Tell whether a filter matches some topic that the other, a topic or a filter, matches too."""
    return _meet(filter_.split("/"), topic.split("/"))


def _meet(one: list[str], other: list[str]) -> bool:
    for left, right in zip(one, other, strict=False):
        if "#" in (left, right):
            return True
        if left != right and "+" not in (left, right):
            return False
    if len(one) == len(other):
        return True
    longer = one if len(one) > len(other) else other
    shorter = min(len(one), len(other))
    return longer[shorter:] == ["#"]


def _writable(text: str) -> bool:
    return 0 < len(text.encode()) <= _LONGEST and text.isprintable() and text == text.strip()
